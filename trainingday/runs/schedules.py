"""Schedules: what is due starts once, overlaps and missed times are recorded, one bad row stops no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from trainingday.access import audit
from trainingday.access.reasons import checked_text
from trainingday.exceptions import InvalidArgument, StateConflict, TrainingDayError
from trainingday.permissions import may_administer
from trainingday.runs.cron import next_times
from trainingday.runs.jobs import get_job
from trainingday.runs.models import Run, ScheduleFiring, TrainingSchedule, Trigger

# Chores run each minute; what is found this late was due while no worker ran.
MISSED_AFTER = timedelta(minutes=5)
Outcome = ScheduleFiring.Outcome
log = structlog.get_logger(__name__)


def plan(schedule: TrainingSchedule, *, after: datetime | None = None) -> None:
    """Set when the schedule is due next; None while it is disabled."""
    times = next_times(schedule.cron, schedule.time_zone, 1, after=after) if schedule.is_enabled else [None]
    TrainingSchedule.objects.filter(pk=schedule.pk).update(next_run_at=times[0])


def fire_due(now: datetime | None = None) -> list[ScheduleFiring]:
    """Start every job that waits or is due; late ones run once, missed repeats are not made up."""
    moment = now or timezone.now()
    waiting = ScheduleFiring.objects.filter(outcome=Outcome.WAITING).select_related("schedule__market")
    due = TrainingSchedule.objects.filter(is_enabled=True, next_run_at__lte=moment).select_related("market")
    attempts = [
        *(_attempt(firing.schedule, lambda firing=firing: _start_waiting(firing)) for firing in waiting),  # type: ignore[misc]
        *(_attempt(schedule, lambda schedule=schedule: _fire_one(schedule, moment)) for schedule in due),  # type: ignore[misc]
    ]
    return [firing for firing in attempts if firing is not None]


def _attempt(schedule: TrainingSchedule, act: Callable[[], ScheduleFiring | None]) -> ScheduleFiring | None:
    """Return what `act` did; an error of one row is logged, and the row is tried again a minute later."""
    try:
        return act()
    except Exception:
        log.exception("schedule could not be fired", schedule=schedule.pk)
        return None


def _fire_one(schedule: TrainingSchedule, now: datetime) -> ScheduleFiring | None:
    """Record the due time, plan the next and start the job in one transaction: all of it or nothing."""
    firing = ScheduleFiring(schedule=schedule, due_at=schedule.next_run_at or now, outcome=Outcome.STARTED)
    with transaction.atomic():
        if not _is_recorded(firing):
            return None
        try:
            plan(schedule, after=now)
        except InvalidArgument as error:
            TrainingSchedule.objects.filter(pk=schedule.pk).update(is_enabled=False, next_run_at=None)
            firing.outcome, firing.reason = Outcome.FAILED, f"disabled: {error}"
        else:
            if schedule.missed == TrainingSchedule.Missed.SKIP and now - firing.due_at > MISSED_AFTER:
                firing.outcome = Outcome.MISSED
                firing.reason = f"found {(now - firing.due_at).total_seconds() / 60:.0f} minutes late"
            else:
                _begin(firing, Trigger.SCHEDULE)
        firing.save(update_fields=["run", "outcome", "reason"])
    return firing


def _is_recorded(firing: ScheduleFiring) -> bool:
    """Store the firing; False if another cluster has, for (schedule, due_at) is unique."""
    try:
        with transaction.atomic():
            firing.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _begin(firing: ScheduleFiring, trigger: Trigger) -> None:
    """Start the job and note on the firing what came of it."""
    try:
        with transaction.atomic():
            firing.run = start(firing.schedule, trigger).public_id
    except StateConflict as error:
        firing.outcome, firing.reason = _overlap(firing.schedule), str(error)
    except (TrainingDayError, ValueError) as error:
        firing.outcome, firing.reason = Outcome.FAILED, str(error)
    except (OperationalError, InterfaceError):
        raise  # the database is away: nothing is recorded, and the next minute tries again
    except Exception as error:
        log.exception("schedule could not start", schedule=firing.schedule_id)
        firing.outcome, firing.reason = Outcome.FAILED, f"{type(error).__name__}: {error}"


def _overlap(schedule: TrainingSchedule) -> Outcome:
    """Return what an overlap means: one firing may wait, all others are skipped."""
    if schedule.overlap != TrainingSchedule.Overlap.QUEUE:
        return Outcome.SKIPPED
    is_taken = ScheduleFiring.objects.filter(schedule=schedule, outcome=Outcome.WAITING).exists()
    return Outcome.SKIPPED if is_taken else Outcome.WAITING


def _start_waiting(firing: ScheduleFiring) -> ScheduleFiring | None:
    """Start what waits for the previous run; None while that is still active."""
    with transaction.atomic():
        mine = ScheduleFiring.objects.filter(pk=firing.pk, outcome=Outcome.WAITING)
        if not mine.update(outcome=Outcome.STARTED):
            return None
        firing.outcome, firing.reason = Outcome.STARTED, ""
        if firing.schedule.is_enabled:
            _begin(firing, Trigger.SCHEDULE)
        else:
            firing.outcome, firing.reason = Outcome.SKIPPED, "the schedule was paused while this waited"
        firing.save(update_fields=["run", "outcome", "reason"])
    return None if firing.outcome == Outcome.WAITING else firing


def start(schedule: TrainingSchedule, trigger: Trigger, user: User | None = None) -> Run:
    """Start the schedule's job now.

    Raises
    ------
    InvalidArgument
        If its job is not registered.
    """
    return get_job(schedule.job).start(schedule, trigger, user)


def run_now(schedule: TrainingSchedule, *, reason: str, user: User) -> ScheduleFiring:
    """Start the schedule's job by hand; the firing and the audit trail say who did, and why.

    Raises
    ------
    PermissionDenied
        If the user is no admin.
    InvalidArgument
        If the reason is no 3..500 characters.
    TrainingDayError
        If the job cannot start; nothing is stored then.
    """
    text = _checked(reason, user)
    with transaction.atomic():
        run = start(schedule, Trigger.USER, user)
        firing = ScheduleFiring.objects.create(
            schedule=schedule,
            due_at=timezone.now(),
            outcome=Outcome.STARTED,
            run=run.public_id,
            reason=f"run now by {user.get_username()}: {text}",
            requested_by=user,
        )
        audit.record("run now", schedule, actor=user, reason=text, details={"run": run.public_id})
    return firing


def set_enabled(schedule: TrainingSchedule, is_enabled: bool, *, reason: str, user: User) -> None:
    """Pause a schedule or let it go on; the audit trail says why.

    Raises
    ------
    PermissionDenied
        If the user is no admin.
    InvalidArgument
        If the reason is no 3..500 characters.
    """
    text = _checked(reason, user)
    with audit.doing("resume" if is_enabled else "pause", text):
        schedule.is_enabled = is_enabled
        schedule.save(update_fields=["is_enabled"])


def _checked(reason: str, user: User) -> str:
    if not may_administer(user):
        raise PermissionDenied("only an admin may run or pause a schedule")
    return checked_text(reason)
