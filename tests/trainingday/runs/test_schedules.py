"""Schedules: what is due starts once; overlaps and bad rows are recorded and stop nothing else."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import OperationalError
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success

from patterns.models import PatternScan
from trainingday.access import audit
from trainingday.exceptions import InvalidArgument, StateConflict
from trainingday.markets.models import Market
from trainingday.runs import schedules
from trainingday.runs.models import ScheduleFiring, TrainingSchedule, Trigger
from trainingday.runs.schedules import fire_due


def make_schedule(market: Market, name: str = "nightly", **fields: object) -> TrainingSchedule:
    values = {"job": "scan", "preset": "", "cron": "30 2 * * *", **fields}
    return TrainingSchedule.objects.create(name=name, market=market, **values)


def make_due(schedule: TrainingSchedule) -> None:
    TrainingSchedule.objects.filter(pk=schedule.pk).update(next_run_at=timezone.now() - timedelta(minutes=5))


def test_saving_plans_the_next_time_and_disabling_clears_it(market: Market) -> None:
    schedule = make_schedule(market)
    schedule.refresh_from_db()
    assert schedule.next_run_at is not None and schedule.next_run_at > timezone.now()
    schedule.is_enabled = False
    schedule.save()
    schedule.refresh_from_db()
    assert schedule.next_run_at is None


def test_a_due_job_starts_once_and_is_planned_again(market: Market) -> None:
    schedule = make_schedule(market)
    make_due(schedule)
    (firing,) = fire_due()
    assert firing.outcome == ScheduleFiring.Outcome.STARTED
    scan = PatternScan.objects.get()
    assert (firing.run, scan.trigger) == (scan.public_id, Trigger.SCHEDULE)
    assert fire_due() == []
    schedule.refresh_from_db()
    assert schedule.next_run_at is not None and schedule.next_run_at > timezone.now()


def test_an_overlap_is_skipped_and_recorded(market: Market) -> None:
    schedule = make_schedule(market)
    make_due(schedule)
    fire_due()
    make_due(schedule)
    (firing,) = fire_due()
    assert firing.outcome == "skipped:overlap"
    assert "already running" in firing.reason
    assert PatternScan.objects.count() == 1


def test_one_bad_row_stops_no_other(market: Market) -> None:
    bad, good = make_schedule(market, "bad"), make_schedule(market, "good")
    TrainingSchedule.objects.filter(pk=bad.pk).update(cron="0 0 31 2 *")
    make_due(bad)
    make_due(good)
    outcomes = {firing.schedule.name: firing.outcome for firing in fire_due()}
    assert outcomes == {"bad": "failed", "good": "started"}
    bad.refresh_from_db()
    assert not bad.is_enabled


def test_only_listed_jobs_can_run(market: Market) -> None:
    schedule = make_schedule(market, job="os.system")
    with pytest.raises(ValidationError, match="job"):
        schedule.full_clean()
    make_due(schedule)
    (firing,) = fire_due()
    assert firing.outcome == "failed"
    assert "job should be one of" in firing.reason


def test_a_schedule_refuses_a_bad_expression(market: Market) -> None:
    schedule = TrainingSchedule(name="x", market=market, job="scan", cron="* * * * * *")
    with pytest.raises(ValidationError, match="five fields"):
        schedule.full_clean()


def test_the_queue_has_one_schedule_and_its_own_admin_is_hidden(db: None) -> None:
    assert list(Schedule.objects.values_list("func", flat=True)) == ["trainingday.runs.tasks.chores"]
    assert not any(admin.site.is_registered(model) for model in (Schedule, Success, Failure, OrmQ))


def test_an_overlap_may_wait_and_start_after_the_previous_run(market: Market) -> None:
    schedule = make_schedule(market, overlap="queue")
    make_due(schedule)
    fire_due()
    make_due(schedule)
    (waiting,) = fire_due()
    assert waiting.outcome == "waiting"
    make_due(schedule)
    assert [firing.outcome for firing in fire_due()] == ["skipped:overlap"]  # only one may wait
    PatternScan.objects.update(state="succeeded")
    (started,) = fire_due()
    assert (started.pk, started.outcome, started.reason) == (waiting.pk, "started", "")
    assert started.run == PatternScan.objects.latest("pk").public_id
    assert PatternScan.objects.count() == 2


def test_what_waits_for_a_paused_schedule_is_skipped(market: Market) -> None:
    schedule = make_schedule(market, overlap="queue")
    for _ in range(2):
        make_due(schedule)
        fire_due()
    TrainingSchedule.objects.update(is_enabled=False)
    PatternScan.objects.update(state="succeeded")
    (firing,) = fire_due()
    assert (firing.outcome, firing.reason) == (
        "skipped:overlap",
        "the schedule was paused while this waited",
    )


@pytest.mark.parametrize(("missed", "outcome", "n"), [("once", "started", 1), ("skip", "skipped:missed", 0)])
def test_a_missed_time_runs_once_late_or_is_skipped(
    missed: str, outcome: str, n: int, market: Market
) -> None:
    schedule = make_schedule(market, cron="* * * * *", missed=missed)
    now = timezone.now()
    TrainingSchedule.objects.update(next_run_at=now - timedelta(hours=7))
    (firing,) = fire_due(now)
    assert firing.outcome == outcome
    assert PatternScan.objects.count() == n
    schedule.refresh_from_db()
    assert schedule.next_run_at is not None and schedule.next_run_at > now  # 420 repeats are not made up


def test_a_database_that_is_away_records_nothing_and_is_tried_again(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = make_schedule(market)
    make_due(schedule)

    def away(*args: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(schedules, "start", away)
        assert fire_due() == []
    assert ScheduleFiring.objects.count() == 0
    assert [firing.outcome for firing in fire_due()] == ["started"]


def test_run_now_is_for_admins_and_leaves_a_trace(market: Market, make_user: Callable[[str], User]) -> None:
    schedule = make_schedule(market, is_enabled=False)
    with pytest.raises(PermissionDenied):
        schedules.run_now(schedule, reason="after the repair", user=make_user("operator"))
    admin_user = make_user("admin")
    firing = schedules.run_now(schedule, reason="after the repair", user=admin_user)
    scan = PatternScan.objects.get()
    assert (scan.trigger, scan.requested_by) == (Trigger.USER, admin_user)
    assert (firing.run, firing.requested_by) == (scan.public_id, admin_user)
    entry = LogEntry.objects.get_for_object(schedule).filter(action=LogEntry.Action.ACCESS).get()
    assert (entry.actor, entry.changes_dict) == (admin_user, {"run": ["", scan.public_id]})
    assert audit.reason_of(entry) == "after the repair" and "after the repair" in firing.reason
    with pytest.raises(InvalidArgument, match=r"reason should be 3\.\.500"):
        schedules.run_now(schedule, reason=" x ", user=admin_user)
    with pytest.raises(StateConflict):
        schedules.run_now(schedule, reason="after the repair", user=admin_user)
    assert ScheduleFiring.objects.count() == 1


def test_pausing_is_for_admins_and_is_audited(market: Market, make_user: Callable[[str], User]) -> None:
    schedule = make_schedule(market)
    with pytest.raises(PermissionDenied):
        schedules.set_enabled(schedule, False, reason="exchange is closed", user=make_user("operator"))
    schedules.set_enabled(schedule, False, reason="exchange is closed", user=make_user("admin"))
    schedule.refresh_from_db()
    assert schedule.next_run_at is None
    newest = LogEntry.objects.get_for_object(schedule).order_by("-pk")[0]
    assert newest.changes_dict == {"is_enabled": ["True", "False"]}
    assert (audit.verb_of(newest), audit.reason_of(newest)) == ("pause", "exchange is closed")


@pytest.mark.parametrize(
    ("job", "preset", "is_good"),
    [
        ("session", "quick", True),
        ("session", "", False),
        ("session", "endless", False),
        ("scan", "", True),
        ("scan", "quick", True),
    ],
)
def test_a_preset_is_checked_against_its_job(job: str, preset: str, is_good: bool, market: Market) -> None:
    schedule = TrainingSchedule(name="x", market=market, job=job, preset=preset, cron="0 3 * * *")
    if is_good:
        schedule.full_clean()
        assert schedule.preset == ("quick" if job == "session" else "")
    else:
        with pytest.raises(ValidationError, match="preset should be one of quick"):
            schedule.full_clean()


def test_a_bad_time_zone_is_named_as_such(market: Market) -> None:
    schedule = TrainingSchedule(
        name="x", market=market, job="scan", cron="0 3 * * *", time_zone="Mars/Olympus"
    )
    with pytest.raises(ValidationError) as caught:
        schedule.full_clean()
    assert list(caught.value.message_dict) == ["time_zone"]
