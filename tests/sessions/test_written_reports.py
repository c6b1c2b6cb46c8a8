"""A written report holds what the page Reports said of its months, and never changes afterwards."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from sessions.models import WrittenReport
from sessions.progress_report import ProgressReport, progress_report
from sessions.written_reports import PERIODS, request_report
from tests import pages
from trainingday.exceptions import InvalidArgument, StateConflict
from trainingday.markets.models import Market
from trainingday.runs import schedules, services
from trainingday.runs.child import work
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunState, ScheduleFiring, TrainingSchedule, Trigger

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 15)


def ended(market: Market, year: int, month: int, day: int = 3, **fields: Any) -> Any:
    dataset = market.datasets.first() or pages.make_dataset(market)
    finished = datetime(year, month, day, tzinfo=UTC)
    return pages.make_session(
        market, dataset, **{"generation": 1, "cpu_seconds": 60.0, "finished_at": finished} | fields
    )


def write(market: Market, preset: str, **options: Any) -> WrittenReport:
    report = request_report(market, preset, trigger=Trigger.COMMAND, **options)
    fence = services.claim("report", report.pk)
    assert fence is not None
    assert work(RunContext("report", report.pk, fence)) == 0
    report.refresh_from_db()
    return report


def months(report: WrittenReport) -> list[tuple[str, str, int]]:
    return [(row["market"], row["month"], row["n_ended"]) for row in report.months]


@pytest.fixture
def two(db: None) -> tuple[Market, Market]:
    one, other = pages.make_market("AAA/USD"), pages.make_market("BBB/USD")
    ended(one, 2025, 2, 28)
    ended(one, 2025, 3, 1)
    ended(one, 2026, 2, 28, verdict="passed")
    ended(one, 2026, 3, 1)
    ended(other, 2026, 2, 1)
    return one, other


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("month", [("AAAUSD-1h", "2026-02-01", 1)]),
        ("month-all-markets", [("BBBUSD-1h", "2026-02-01", 1), ("AAAUSD-1h", "2026-02-01", 1)]),
        ("year", [("AAAUSD-1h", "2026-02-01", 1), ("AAAUSD-1h", "2025-03-01", 1)]),
        (
            "ever",
            [("AAAUSD-1h", f"{month}-01", 1) for month in ("2026-03", "2026-02", "2025-03", "2025-02")],
        ),
    ],
)
def test_it_covers_whole_months_and_not_the_one_that_runs(
    two: tuple[Market, Market], preset: str, expected: list[Any]
) -> None:
    report = write(two[0], preset, today=TODAY)
    assert report.state == RunState.SUCCEEDED, report.reason
    assert months(report) == expected
    assert report.reason.startswith(f"{len(expected)} session")


def test_its_months_are_settled_when_it_is_asked_for(two: tuple[Market, Market]) -> None:
    report = request_report(two[0], "year", trigger=Trigger.COMMAND, today=date(2026, 1, 31))
    assert (report.first_month, report.until_month) == (date(2025, 1, 1), date(2026, 1, 1))
    assert report.last_month == date(2025, 12, 1)


def test_it_is_what_the_page_said_and_stays_so(two: tuple[Market, Market]) -> None:
    said = progress_report()
    report = write(two[0], "ever-all-markets")
    ended(two[0], 2026, 2, 5)
    again = ProgressReport.from_rows(report.months)
    assert again == said and again.total == said.total
    assert progress_report().total.n_ended == said.total.n_ended + 1


def test_a_schedule_writes_one_and_says_when_the_last_is_still_active(two: tuple[Market, Market]) -> None:
    schedule = TrainingSchedule(name="monthly", market=two[0], job="report", preset="month", cron="0 6 1 * *")
    schedule.full_clean()
    schedule.save()
    for _minute in (0, 1):
        TrainingSchedule.objects.update(next_run_at=timezone.now())
        schedules.fire_due()
    report = WrittenReport.objects.get()
    outcomes = list(ScheduleFiring.objects.order_by("due_at").values_list("outcome", "run"))
    assert outcomes == [("started", report.public_id), ("skipped:overlap", "")]
    assert (report.trigger, report.covers) == ("schedule", "AAAUSD-1h")


def test_only_known_periods_and_one_at_a_time(two: tuple[Market, Market]) -> None:
    with pytest.raises(InvalidArgument, match="preset should be one of"):
        request_report(two[0], "decade", trigger=Trigger.COMMAND)
    request_report(two[0], "month", trigger=Trigger.COMMAND)
    with pytest.raises(StateConflict, match="report is already running"):
        request_report(two[0], "year", trigger=Trigger.COMMAND)
    assert all(len(name) <= 20 for name in PERIODS)


def test_page_list_and_api_tell_the_same(
    two: tuple[Market, Market], django_assert_max_num_queries: Any
) -> None:
    report = write(two[0], "month-all-markets", today=TODAY)
    user = pages.make_user("viewer")
    client, api = Client(), APIClient()
    client.force_login(user)
    api.force_authenticate(user)
    with django_assert_max_num_queries(8):
        page = client.get(report.get_absolute_url()).content.decode()
    assert "Report of all markets, 2026-02" in page and "BBBUSD-1h" in page and "data-print" in page
    for address in ("/reports/", "/reports/written/", "/reports/written/?state=succeeded"):
        with django_assert_max_num_queries(8):
            listed = client.get(address).content.decode()
        assert report.get_absolute_url() in listed, address
    assert "No report fits" in client.get("/reports/written/?state=failed").content.decode()
    row = api.get("/api/v1/written-reports/").json()["results"][0]
    assert (row["run"], row["first_month"], row["last_month"]) == (
        report.public_id,
        "2026-02-01",
        "2026-02-01",
    )
    told = api.get(f"/api/v1/written-reports/{report.pk}/").json()["report"]
    assert told["total"]["n_ended"] == 2 and told["total"]["cpu_per_improvement"] == 120.0
    assert {row["market"] for row in told["markets"]} == {"AAAUSD-1h", "BBBUSD-1h"}


def test_an_unwritten_report_shows_no_number(two: tuple[Market, Market]) -> None:
    report = request_report(two[0], "month", trigger=Trigger.COMMAND)
    user = pages.make_user("viewer")
    client, api = Client(), APIClient()
    client.force_login(user)
    api.force_authenticate(user)
    page = client.get(report.get_absolute_url()).content.decode()
    assert "Queued" in page and "Generations" not in page
    assert api.get(f"/api/v1/written-reports/{report.pk}/").json()["report"] is None


def test_months_without_a_session_say_so(two: tuple[Market, Market]) -> None:
    report = write(two[1], "month", today=date(2024, 6, 1))
    client = Client()
    client.force_login(pages.make_user("viewer"))
    assert "No session ended in these months" in client.get(report.get_absolute_url()).content.decode()
