"""The page "How honest is this?" and its API: for readers only, the newest run of each part."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from sessions.honesty.report import rate_line
from sessions.models import HonestyRun
from tests import pages
from trainingday.access import tokens

pytestmark = pytest.mark.django_db
API = "/api/v1/honesty/"


def store(part: str = "models", count: int = 3, **fields: object) -> HonestyRun:
    line = rate_line(part, "null_05", f"No signal at all, {part}", count, 60, at_most=0.05)
    values = {"parts": [part], "n_markets": 60, "seed": 7, "has_passed": True, "seconds": 12.0}
    return HonestyRun.objects.create(results=[line.as_dict()], **(values | fields))


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(pages.make_user("viewer"))
    return client


def page_of(client: Client) -> str:
    response = client.get(reverse("sessions:honesty"))
    assert response.status_code == 200
    return response.content.decode()


def test_it_needs_an_account(client: Client) -> None:
    response = client.get(reverse("sessions:honesty"))
    assert response.status_code == 302 and response.url.startswith(reverse("login"))
    assert APIClient().get(API).status_code == 401


def test_before_the_first_run_it_says_what_to_do(viewer: Client) -> None:
    assert "manage.py honesty --markets 200" in page_of(viewer)


def test_it_shows_rate_interval_rule_and_the_command(viewer: Client) -> None:
    store()
    page = page_of(viewer)
    for text in ("3 of 60", "5.0 %", "1.0 % to 13.9 %", "fewer than 8", "✓ holds", "--markets 60"):
        assert text in page, text


def test_a_failed_rule_is_said_first(viewer: Client) -> None:
    store(count=20, has_passed=False)
    page = page_of(viewer)
    assert "1 rule fails" in page and "✗ fails" in page


def test_each_part_comes_from_the_newest_run_that_measured_it(viewer: Client) -> None:
    store("models", seed=1)
    store("patterns", seed=2)
    store("models", seed=3)
    page = page_of(viewer)
    assert page.index("--parts models --seed 3") < page.index("--parts patterns --seed 2")
    assert "--parts models --seed 1" not in page


def test_it_is_in_the_navigation_and_holds_no_inline_script(viewer: Client) -> None:
    store()
    page = page_of(viewer)
    assert f'href="{reverse("sessions:honesty")}"' in page
    assert "<script>" not in page and "style=" not in page


def test_it_costs_the_same_for_few_and_many_runs(viewer: Client) -> None:
    counts = []
    for _ in range(2):
        for _ in range(10):
            store()
        with CaptureQueriesContext(connection) as captured:
            page_of(viewer)
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 8


def test_the_api_lists_runs_newest_first_and_takes_none() -> None:
    client = APIClient()
    token = tokens.make(pages.make_user("operator"), scope="operate")
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    store(seed=1)
    newest = store(seed=2)
    body = client.get(API).json()
    assert [row["seed"] for row in body["results"]] == [2, 1]
    assert body["results"][0]["results"][0]["count"] == 3
    assert body["results"][0]["command"] == newest.command
    assert client.get(f"{API}{newest.pk}/").json()["seed"] == 2
    assert client.get(f"{API}99999999999999999999/").status_code == 404
    assert client.get(f"{API}?unknown=1").status_code == 400
    assert client.post(API, {}).status_code == 405
