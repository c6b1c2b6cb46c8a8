import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from patterns.charts import rolling_chart, template_chart
from patterns.models import PatternScan, PatternSighting
from tests import pages

pytestmark = pytest.mark.django_db
MAX_QUERIES = 8


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(pages.make_user(role))
    return client


def n_queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def make_scan() -> PatternScan:
    market = pages.make_market()
    return PatternScan.objects.create(
        market=market, dataset=pages.make_dataset(market), seed=1, state="succeeded", n_tested=9, n_found=1
    )


@pytest.mark.parametrize("name", ["patterns:list", "patterns:start"])
def test_anonymous_visitors_are_sent_to_log_in(client: Client, name: str) -> None:
    assert client.get(reverse(name)).status_code == 302


def test_a_viewer_may_not_start_a_scan_and_an_operator_may() -> None:
    market = pages.make_market()
    pages.make_dataset(market)
    form = {
        "market": market.slug,
        "windows": "50, 20",
        "horizons": "5 10",
        "regimes": ["trend"],
        "max_conditions": "2",
        "threshold": "2",
    }
    assert signed_in("viewer").post(reverse("patterns:start"), form).status_code == 403
    response = signed_in("operator").post(reverse("patterns:start"), form)
    scan = PatternScan.objects.get()
    assert (response.status_code, response.url) == (302, reverse("patterns:scan", args=[scan.pk]))
    chosen = {key: scan.configuration[key] for key in ("windows", "horizons", "regimes", "success_threshold")}
    assert chosen == {
        "windows": [50, 20], "horizons": [5, 10], "regimes": ["trend"], "success_threshold": 0.02
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"windows": "52"}, {"windows": "²"}, {"windows": ""}, {"horizons": "9" * 40}, {"horizons": "5, 5"},
     {"regimes": ["moon"]}, {"max_conditions": "3"}, {"threshold": "-1"}, {"threshold": "nan"}],
)  # fmt: skip
def test_a_choice_out_of_bounds_is_shown_with_its_reason_and_starts_nothing(wrong: dict[str, object]) -> None:
    market = pages.make_market()
    pages.make_dataset(market)
    form = {
        "market": market.slug,
        "windows": "50",
        "horizons": "5",
        "max_conditions": "1",
        "threshold": "0",
        **wrong,
    }
    response = signed_in("operator").post(reverse("patterns:start"), form)
    assert response.status_code == 422
    assert response.context["form"].errors
    assert not PatternScan.objects.exists()


def test_pages_cost_the_same_for_five_and_for_fifty_patterns() -> None:
    viewer = signed_in("viewer")
    scan = make_scan()
    first = pages.make_pattern(scan.market, scan, 0)
    PatternSighting.objects.create(pattern=first, bar_us=0, forward_return=0.01, is_success=True)
    urls = [reverse("patterns:list"), reverse("patterns:scan", args=[scan.pk])]
    urls.append(reverse("patterns:detail", args=[first.pk]))
    few = [n_queries(viewer, url) for url in urls]
    for number in range(1, 50):
        pages.make_pattern(scan.market, scan, number)
    PatternSighting.objects.bulk_create(
        PatternSighting(pattern=first, bar_us=i, forward_return=0.01, is_success=True) for i in range(1, 50)
    )
    assert few == [n_queries(viewer, url) for url in urls]
    assert max(few) <= MAX_QUERIES


def test_the_list_filters_by_state_and_direction() -> None:
    scan = make_scan()
    pages.make_pattern(scan.market, scan, 1, state="retired")
    short = pages.make_pattern(scan.market, scan, 2, direction=-1)
    viewer = signed_in("viewer")
    found = viewer.get(reverse("patterns:list"), {"state": "confirmed", "direction": "-1", "sort": "-rate"})
    assert [pattern.pk for pattern in found.context["page"].object_list] == [short.pk]
    assert viewer.get(reverse("patterns:list"), {"sort": "x", "direction": "up"}).status_code == 200


def test_a_rate_stands_beside_its_interval_base_rate_and_count() -> None:
    scan = make_scan()
    pattern = pages.make_pattern(scan.market, scan, 1)
    text = signed_in("viewer").get(reverse("patterns:detail", args=[pattern.pk])).content.decode()
    for shown in ("57.7 %", "49.5 % to 65.5 %", "50.6 %", "143"):
        assert shown in text


def test_the_rolling_rate_needs_thirty_known_outcomes() -> None:
    rows = [PatternSighting(bar_us=i * 10**6, is_success=i % 2 == 0) for i in range(31)]
    rows.append(PatternSighting(bar_us=32 * 10**6, is_success=None))
    assert rolling_chart(rows[:29], 0.5).n_points == 0
    trace = rolling_chart(rows, 0.5).traces[0]
    assert list(trace.y) == [50.0, 50.0]


def test_a_template_without_a_path_draws_nothing() -> None:
    assert template_chart({}).n_points == 0
