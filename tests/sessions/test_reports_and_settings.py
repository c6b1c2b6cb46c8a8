"""Reports count what happened and divide only by what did; settings change with a reason, and only by admins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from sessions.progress_report import progress_report
from strategies.models import Look, Strategy
from tests import pages
from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Market, TestWindow
from trainingday.markets.rules import change_rules, price_of
from trainingday.stats.proportions import wilson_interval

pytestmark = pytest.mark.django_db


def ended(market: Market, month: int, **fields: Any) -> Any:
    dataset = market.datasets.first() or pages.make_dataset(market)
    values = {
        "generation": 1,
        "cpu_seconds": 60.0,
        "finished_at": datetime(2026, month, 3, tzinfo=UTC),
    } | fields
    return pages.make_session(market, dataset, **values)


def charge(session: Any) -> None:
    market = session.market
    window, _ = TestWindow.objects.get_or_create(market=market, first_us=1, last_us=2)
    strategy = Strategy.objects.create(market=market, family="momentum", fingerprint=str(session.pk))
    look = Look.objects.create(
        market=market, test_window=window, dataset=session.dataset, strategy=strategy, run_kind="session",
        run_pk=session.pk, is_charged=True, level=0.005, verdict=session.verdict,
        decision={"public": {}, "sealed": {}},
    )  # fmt: skip
    Look.objects.filter(pk=look.pk).update(created_at=session.finished_at)


def test_the_report_adds_up_by_month_market_and_in_all() -> None:
    one, two = pages.make_market("AAA/USD"), pages.make_market("BBB/USD")
    for session in (
        ended(one, 1, verdict="not_proven"), ended(one, 1, verdict="passed"), ended(one, 2, verdict="passed"),
        ended(two, 2, verdict="no_challenger"),
        ended(two, 2, state="failed", generation=None, cpu_seconds=None),
    ):  # fmt: skip
        if session.verdict in ("passed", "not_proven"):
            charge(session)
    report = progress_report()
    counts = [
        (p.market, p.month.month, p.n_ended, p.n_generations, p.n_improvements, p.n_looks)
        for p in report.months
    ]
    assert counts == [
        ("BBBUSD-1h", 2, 2, 1, 0, 0),
        ("AAAUSD-1h", 2, 1, 1, 1, 1),
        ("AAAUSD-1h", 1, 2, 2, 1, 2),
    ]
    total = report.total
    assert (total.n_ended, total.n_failed, total.n_improvements, total.n_looks) == (5, 1, 2, 3)
    assert total.cpu_seconds == 240.0 and total.cpu_per_improvement == 120.0
    assert total.rate == 0.5 and total.interval == wilson_interval(2, 4)
    assert progress_report("BBBUSD-1h").total.cpu_per_improvement is None
    assert [trace.y for trace in report.chart.traces] == [[2.0, 4.0], [1.0, 2.0]]


def test_page_export_and_api_tell_the_same(django_assert_max_num_queries: Any) -> None:
    market = pages.make_market()
    charge(ended(market, 1, verdict="passed"))
    user = pages.make_user("viewer")
    page, api = Client(), APIClient()
    page.force_login(user)
    api.force_authenticate(user)
    with django_assert_max_num_queries(8):
        text = page.get(reverse("sessions:reports"), {"market": market.slug}).content.decode()
    body = api.get("/api/v1/reports/", {"market": market.slug}).json()
    assert body["total"]["cpu_per_improvement"] == 60.0 and "1 min" in text
    rows = page.get(reverse("sessions:reports"), {"export": "json"}).json()["rows"]
    assert [row["month"] for row in rows] == [row["month"] for row in body["months"]] == ["2026-01-01"]
    assert api.get("/api/v1/reports/?market=NOWHERE").status_code == 404


def test_without_sessions_the_report_says_what_to_do() -> None:
    client = Client()
    client.force_login(pages.make_user("operator"))
    assert b"No session has ended yet" in client.get(reverse("sessions:reports")).content


@given(st.floats(0.0001, 0.05))
def test_the_price_of_a_level_bounds_the_chance_of_any_luck_only_pass(alpha: float) -> None:
    assert 1 - (1 - alpha) ** 10 <= price_of(alpha) <= 10 * alpha + 1e-12


def test_an_admin_changes_a_market_with_a_reason_and_it_is_audited() -> None:
    market, admin = pages.make_market(), pages.make_user("admin")
    pages.make_dataset(market)
    client = Client()
    client.force_login(admin)
    address = reverse("sessions:change-market", args=[market.slug])
    rules = {"fee": "0.002", "slippage": "0.001", "alpha": "0.01"}
    client.post(address, rules)
    market.refresh_from_db()
    assert market.fee == 0.001
    client.post(address, {**rules, "reason": "the venue raised its fee"})
    market.refresh_from_db()
    assert (market.fee, market.slippage, market.alpha) == (0.002, 0.001, 0.01)
    entry = LogEntry.objects.get_for_object(market).order_by("-pk")[0]
    assert entry.actor == admin and entry.additional_data["reason"] == "the venue raised its fee"
    assert entry.changes_dict["alpha"] == ["0.005", "0.01"]
    text = client.get(reverse("sessions:settings")).content.decode()
    assert "10.0 %" in text and "0.200 %" in text


@pytest.mark.parametrize("bad", [{"fee": 1.5}, {"slippage": -0.1}, {"alpha": 0.5}, {"reason": " x "}])
def test_a_rule_out_of_bounds_changes_nothing(bad: dict[str, Any]) -> None:
    market, admin = pages.make_market(), pages.make_user("admin")
    rules: dict[str, Any] = {"fee": 0.001, "slippage": 0.0005, "alpha": 0.005, "reason": "because"}
    with pytest.raises(InvalidArgument):
        change_rules(market, **(rules | bad), user=admin)
    with pytest.raises(PermissionDenied):
        change_rules(market, **rules, user=pages.make_user("operator"))
    assert Market.objects.get().fee == 0.001


def test_operators_read_the_settings_and_see_no_form(django_assert_max_num_queries: Any) -> None:
    for number in range(9):
        pages.make_dataset(pages.make_market(f"M{number}/USD"))
    client = Client()
    client.force_login(pages.make_user("operator"))
    with django_assert_max_num_queries(8):
        text = client.get(reverse("sessions:settings")).content.decode()
    assert "M8USD-1h" in text and 'name="reason"' not in text
