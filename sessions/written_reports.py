"""Written reports: what the page Reports says of whole months, frozen as it was when it was written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from sessions.models import WrittenReport
from sessions.progress_report import progress_report
from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Market
from trainingday.runs.context import RunContext
from trainingday.runs.models import Run, TrainingSchedule, Trigger
from trainingday.runs.services import request_run

TIME_BUDGET_SECONDS = 600


@dataclass(frozen=True)
class Period:
    """What a preset covers: the last `n_months` full months, or all there are (None); one market, or every one."""

    n_months: int | None
    is_everywhere: bool


PERIODS = {
    f"{name}{suffix}": Period(n_months, bool(suffix))
    for suffix in ("", "-all-markets")
    for name, n_months in (("month", 1), ("year", 12), ("ever", None))
}


def request_report(
    market: Market, preset: str, *, trigger: Trigger, user: User | None = None, today: date | None = None
) -> WrittenReport:
    """Queue a report; its months are settled now, whenever a worker comes to write it.

    Raises
    ------
    InvalidArgument
        If the preset is unknown.
    StateConflict
        If a report of the market is active.
    """
    if preset not in PERIODS:
        raise InvalidArgument(f"preset should be one of {sorted(PERIODS)}, is {preset!r}")
    period = PERIODS[preset]
    until = (today or timezone.now().date()).replace(day=1)
    report = WrittenReport(
        market=market,
        preset=preset,
        covers="" if period.is_everywhere else market.slug,
        first_month=None if period.n_months is None else _months_before(until, period.n_months),
        until_month=None if period.n_months is None else until,
        trigger=trigger,
        requested_by=user,
        seed=0,
        time_budget_seconds=TIME_BUDGET_SECONDS,
    )
    return request_run(report)


def start_scheduled_report(schedule: TrainingSchedule, trigger: Trigger, user: User | None) -> Run:
    return request_report(schedule.market, schedule.preset, trigger=trigger, user=user)


def execute(context: RunContext) -> str:
    """Write the report; return what it is of in a sentence."""
    report: Any = context.run
    context.stage("writing", 0.0)
    found = progress_report(report.covers, report.first_month, report.until_month)
    with context.transaction(months=found.as_rows()):
        pass
    n_ended = found.total.n_ended
    return f"{n_ended:,} session{'' if n_ended == 1 else 's'} ended in these months"


def _months_before(month: date, n: int) -> date:
    index = 12 * month.year + month.month - 1 - n
    return date(index // 12, index % 12 + 1, 1)
