"""Schedules: what is due starts once, overlaps are recorded as skipped, one bad row stops no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from trainingday.exceptions import InvalidArgument, StateConflict, TrainingDayError
from trainingday.runs.cron import next_times
from trainingday.runs.models import Run, ScheduleFiring, TrainingSchedule, Trigger

log = structlog.get_logger(__name__)

Starter = Callable[[TrainingSchedule, Trigger], Run]
_starters: dict[str, Starter] = {}


def register_job(job: str, starter: Starter) -> None:
    """Let schedules start a job; only registered jobs can ever run."""
    _starters[job] = starter


def plan(schedule: TrainingSchedule, *, after: datetime | None = None) -> None:
    """Set when the schedule is due next; None while it is disabled."""
    times = next_times(schedule.cron, schedule.time_zone, 1, after=after) if schedule.is_enabled else [None]
    TrainingSchedule.objects.filter(pk=schedule.pk).update(next_run_at=times[0])


def fire_due(now: datetime | None = None) -> list[ScheduleFiring]:
    """Start every job that is due; late ones run once, missed repeats are not made up."""
    moment = now or timezone.now()
    due = TrainingSchedule.objects.filter(is_enabled=True, next_run_at__lte=moment).select_related("market")
    return [firing for schedule in due if (firing := _fire_one(schedule, moment))]


def _fire_one(schedule: TrainingSchedule, now: datetime) -> ScheduleFiring | None:
    due_at = schedule.next_run_at or now
    try:
        with transaction.atomic():
            # The unique (schedule, due_at) lets only one of two clusters fire.
            firing = ScheduleFiring.objects.create(
                schedule=schedule, due_at=due_at, outcome=ScheduleFiring.Outcome.STARTED
            )
            plan(schedule, after=now)
    except IntegrityError:
        return None
    except InvalidArgument as error:
        TrainingSchedule.objects.filter(pk=schedule.pk).update(is_enabled=False, next_run_at=None)
        return ScheduleFiring.objects.create(
            schedule=schedule,
            due_at=due_at,
            outcome=ScheduleFiring.Outcome.FAILED,
            reason=f"disabled: {error}",
        )
    return _record(firing, lambda: start(schedule, Trigger.SCHEDULE))


def start(schedule: TrainingSchedule, trigger: Trigger) -> Run:
    """Start the schedule's job now.

    Raises
    ------
    InvalidArgument
        If its job is not on the allow-list.
    """
    if schedule.job not in _starters:
        raise InvalidArgument(f"job should be one of {sorted(_starters)}, is {schedule.job!r}")
    return _starters[schedule.job](schedule, trigger)


def _record(firing: ScheduleFiring, begin: Callable[[], Run]) -> ScheduleFiring:
    try:
        firing.run = begin().public_id
    except StateConflict as error:
        firing.outcome, firing.reason = ScheduleFiring.Outcome.SKIPPED, str(error)
    except (TrainingDayError, ValueError) as error:
        firing.outcome, firing.reason = ScheduleFiring.Outcome.FAILED, str(error)
    except Exception as error:
        log.exception("schedule could not start", schedule=firing.schedule_id)
        firing.outcome, firing.reason = ScheduleFiring.Outcome.FAILED, f"{type(error).__name__}: {error}"
    firing.save(update_fields=["run", "outcome", "reason"])
    return firing
