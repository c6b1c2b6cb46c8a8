import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from patterns.charts import rolling_chart, template_chart
from patterns.models import PatternFinding, PatternScan, PatternSighting
from patterns.options import ScanChoices, scan_configuration
from tests import pages
from tests.markets import gaussian_bars
from tests.patterns.helpers import make_market

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


def test_a_market_with_too_few_bars_is_refused_with_the_reason_and_nothing_is_queued() -> None:
    market = make_market(gaussian_bars(900, 1), "SHORT")
    form = {"market": market.slug, "windows": "50", "horizons": "5", "max_conditions": "1", "threshold": "0"}
    response = signed_in("operator").post(reverse("patterns:start"), form)
    assert response.status_code == 422
    assert "900 bars" in response.content.decode()
    assert not PatternScan.objects.exists()


def test_a_scan_shows_what_it_tried_and_why_it_found_nothing() -> None:
    scan = make_scan()
    scan.reason = "The price is constant: there is no shape to recognise."
    scan.configuration = scan_configuration(scan.market, ScanChoices((20, 50), (5, 10), ("trend",), 1, 0.02))
    scan.n_new = 4
    scan.save()
    shown = " ".join(
        signed_in("viewer").get(reverse("patterns:scan", args=[scan.pk])).content.decode().split()
    )
    assert scan.reason in shown
    assert "windows of 20, 50 bars, held for 5, 10" in shown
    assert "asking for 1 of trend at once; success above 2.0 %" in shown
    assert "more than 3: yes" in shown


def test_a_pattern_page_shows_tracking_decay_history_and_how_to_retire() -> None:
    scan = make_scan()
    later = {"n_known": 40, "success_rate": 0.5, "success_low": 0.35, "success_high": 0.65, "lift": 1.02}
    tracking = {"since_found": later, "decay": {"success_rate": -0.077, "mean_net_return": -0.001}}
    pattern = pages.make_pattern(scan.market, scan, 1, tracking=tracking)
    PatternFinding.objects.create(
        pattern=pattern, scan=scan, is_confirmed=False, discovery={}, confirmation={"reason": "Seen 3 times."}
    )
    url = reverse("patterns:detail", args=[pattern.pk])
    shown = signed_in("viewer").get(url).content.decode()
    for text in ("all since discovery", "−7.7 pp", "−0.100 pp", "Seen 3 times."):
        assert text in shown
    assert "Retire by hand" not in shown
    assert "Retire by hand" in signed_in("operator").get(url).content.decode()


def test_an_operator_retires_with_a_reason_and_the_page_says_so() -> None:
    scan = make_scan()
    pattern = pages.make_pattern(scan.market, scan, 1)
    url = reverse("patterns:retire", args=[pattern.pk])
    assert signed_in("viewer").post(url, {"reason": "its venue closed"}).status_code == 403
    operator = signed_in("operator")
    operator.post(url, {"reason": "x"})
    pattern.refresh_from_db()
    assert pattern.state == "confirmed"
    assert (
        "its venue closed" in operator.post(url, {"reason": "its venue closed"}, follow=True).content.decode()
    )
    pattern.refresh_from_db()
    assert (pattern.state, pattern.retired_until_us) == ("retired", None)
    assert LogEntry.objects.get_for_object(pattern).filter(changes__has_key="state").exists()


def test_the_list_sorts_by_what_came_after_discovery() -> None:
    scan = make_scan()
    rates = {1: 0.4, 2: 0.7, 3: None}
    for number, rate in rates.items():
        tracking = {"since_found": {"success_rate": rate}} if rate else {}
        pages.make_pattern(scan.market, scan, number, tracking=tracking)
    found = signed_in("viewer").get(reverse("patterns:list"), {"sort": "-rate"}).context["page"].object_list
    assert [row.key for row in found] == ["key-2", "key-1", "key-3"]


def test_recognition_over_time_is_drawn_from_the_second_scan_on() -> None:
    scan = make_scan()
    scan.recognition = {
        "score": 0.02,
        "accuracy": 0.5,
        "accuracy_low": 0.4,
        "accuracy_high": 0.6,
        "base_rate": 0.48,
    }
    scan.save()
    viewer = signed_in("viewer")
    assert viewer.get(reverse("patterns:list")).context["recognition"].n_scans == 1
    scan.pk, scan._state.adding = None, True
    scan.save()
    panel = viewer.get(reverse("patterns:list")).context["recognition"]
    assert panel.n_scans == 2
    traces = {trace.name: list(trace.y) for trace in panel.chart.traces}
    assert traces["recognition rate"] == [2.0, 2.0]
    assert traces["base rate"] == [48.0, 48.0]


def test_matches_are_one_series_with_a_break_after_each() -> None:
    template = {"offset": [-1, 0, 1], "mean": [0.0, 1.0, 0.5], "low": [-1, 0, 0], "high": [1, 2, 1], "n": 9}
    paths = [{"bar_us": 1, "path": [0.1, 0.9, None]}, {"bar_us": 2, "path": [0.2, 1.1, 0.4]}]
    matches, mean = template_chart(template, paths).traces
    assert list(matches.y) == [0.1, 0.9, None, None, 0.2, 1.1, 0.4, None]
    assert len(matches.x) == len(matches.y)
    assert list(mean.y) == [0.0, 1.0, 0.5]
