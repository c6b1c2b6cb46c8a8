"""Where an admin sets the exam level of a market, with its price beside it."""

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.conftest import make_market
from tests.markets import gaussian_bars

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("chief", password="a long enough one"))
    return client


def form_of(response) -> dict[str, object]:
    return {
        name: value for name, value in response.context["adminform"].form.initial.items() if value is not None
    }


def test_the_price_of_the_level_stands_beside_it_and_follows_it(admin: Client) -> None:
    market = make_market(gaussian_bars(1500, 3))
    url = reverse("admin:markets_market_change", args=[market.pk])
    response = admin.get(url)
    assert "luck alone passes one of the 10 exams in at most 5 % of test windows" in response.content.decode()
    saved = admin.post(url, form_of(response) | {"alpha": "0.05"})
    assert saved.status_code == 302
    market.refresh_from_db()
    assert market.alpha == 0.05
    assert "in at most 50 % of test windows" in admin.get(url).content.decode()
    assert LogEntry.objects.get_for_object(market).first().changes["alpha"] == ["0.005", "0.05"]
    page = admin.get(market.get_absolute_url()).content.decode()
    assert "p ≤ 0.05" in page and "in at most 50 % of test windows" in page


def test_a_level_out_of_bounds_is_refused(admin: Client) -> None:
    market = make_market(gaussian_bars(1500, 3))
    url = reverse("admin:markets_market_change", args=[market.pk])
    for alpha in ("0.06", "0", "nan"):
        assert admin.post(url, form_of(admin.get(url)) | {"alpha": alpha}).status_code == 200
    market.refresh_from_db()
    assert market.alpha == 0.005
