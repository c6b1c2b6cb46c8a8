"""What the page of schedules shows of each: what is next, and what became of the last times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery
from django.utils import timezone

from trainingday.runs.cron import next_in_words
from trainingday.runs.models import ScheduleFiring, TrainingSchedule
from trainingday.runs.progress import RunLine, query_named_lines

FIRINGS_SHOWN = 5


@dataclass(frozen=True)
class PastTime:
    """One due time, and the run that it started, None where it started none."""

    firing: ScheduleFiring
    run: RunLine | None

    @property
    def seconds(self) -> float | None:
        """Return how long the run took, None while it goes on."""
        if self.run is None or self.run.started_at is None or self.run.finished_at is None:
            return None
        return (self.run.finished_at - self.run.started_at).total_seconds()


@dataclass(frozen=True)
class ScheduleRow:
    schedule: TrainingSchedule
    next_times: Sequence[str]
    history: Sequence[PastTime]
    is_late: bool


def query_schedules() -> QuerySet[TrainingSchedule]:
    """Return schedules with their newest firings; two queries however many."""
    newest = ScheduleFiring.objects.filter(schedule=OuterRef("schedule")).order_by("-due_at").values("pk")
    shown = ScheduleFiring.objects.filter(pk__in=Subquery(newest[:FIRINGS_SHOWN]))
    return TrainingSchedule.objects.select_related("market").prefetch_related(Prefetch("firings", shown))


def schedule_rows(schedules: Sequence[TrainingSchedule], now: datetime | None = None) -> list[ScheduleRow]:
    """Return each schedule as its page shows it; one query for all runs of all histories."""
    named = [firing.run for schedule in schedules for firing in schedule.firings.all() if firing.run]
    lines = query_named_lines(named)
    moment = now or timezone.now()
    return [
        ScheduleRow(
            schedule,
            next_in_words(schedule.cron, schedule.time_zone, 5) if schedule.is_enabled else [],
            [PastTime(firing, lines.get(firing.run)) for firing in schedule.firings.all()],
            schedule.is_late(moment),
        )
        for schedule in schedules
    ]
