"""Schedules: what is due starts once; overlaps and bad rows are recorded and stop nothing else."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success

from patterns.models import PatternScan
from trainingday.markets.models import Market
from trainingday.runs.models import Job, ScheduleFiring, TrainingSchedule, Trigger
from trainingday.runs.schedules import fire_due


def make_schedule(market: Market, name: str = "nightly", **fields: object) -> TrainingSchedule:
    values = {"job": Job.PATTERN_SCAN, "cron": "30 2 * * *", **fields}
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
    schedule = TrainingSchedule(name="x", market=market, job=Job.PATTERN_SCAN, cron="* * * * * *")
    with pytest.raises(ValidationError, match="five fields"):
        schedule.full_clean()


def test_the_queue_has_one_schedule_and_its_own_admin_is_hidden(db: None) -> None:
    assert list(Schedule.objects.values_list("func", flat=True)) == ["trainingday.runs.tasks.chores"]
    assert not any(admin.site.is_registered(model) for model in (Schedule, Success, Failure, OrmQ))
