"""What all background work shares: the abstract Run, its events, worker heartbeats and schedules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Market
from trainingday.runs.cron import check_cron, check_time_zone
from trainingday.runs.jobs import get_job, job_choices

LATE_AFTER = timedelta(minutes=3)


class RunState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


ACTIVE = (RunState.QUEUED, RunState.RUNNING)
TERMINAL = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


class Trigger(models.TextChoices):
    USER = "user", "user"
    API = "api", "API"
    SCHEDULE = "schedule", "schedule"
    COMMAND = "command", "command line"
    SESSION = "session", "training session"


class Run(models.Model):
    """One piece of background work; the row is the truth, the queue only nudges.

    `fence` grows by one at each claim, so a worker that lost its claim can tell. `is_part` marks a run
    that another run's child carries out: it is never queued or claimed by itself.
    """

    kind: ClassVar[str]

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=12, choices=RunState, default=RunState.QUEUED, db_index=True)
    trigger = models.CharField(max_length=12, choices=Trigger, default=Trigger.USER)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    seed = models.BigIntegerField(validators=[MinValueValidator(0)])
    configuration = models.JSONField(default=dict, blank=True)
    time_budget_seconds = models.PositiveIntegerField(default=86400)
    is_part = models.BooleanField(default=False)
    idempotency_key = models.CharField(max_length=100, blank=True, default="")

    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    nudged_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True, default="")
    is_cancel_requested = models.BooleanField(default=False)

    stage = models.CharField(max_length=40, blank=True, default="")
    progress = models.FloatField(default=0.0)
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["market"],
                condition=Q(state__in=["queued", "running"], is_part=False),
                name="%(app_label)s_%(class)s_one_active_per_market",
            ),
            models.UniqueConstraint(
                fields=["requested_by", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="%(app_label)s_%(class)s_idempotency",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """Return the run's name in addresses and events, such as "session-12"."""
        return f"{self.kind}-{self.pk}"

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE


class RunEvent(models.Model):
    """One step of a run's progress; written only by the child that holds the fence."""

    run_kind = models.CharField(max_length=20)
    run_pk = models.BigIntegerField()
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["run_kind", "run_pk", "seq"]
        constraints = [models.UniqueConstraint(fields=["run_kind", "run_pk", "seq"], name="runs_event_order")]

    def __str__(self) -> str:
        return f"{self.run_kind}-{self.run_pk} #{self.seq} {self.kind}"


class WorkerHeartbeat(models.Model):
    """When a worker cluster of a host last ran a task."""

    host = models.CharField(max_length=120)
    cluster = models.CharField(max_length=40)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["host", "cluster"], name="runs_one_heartbeat_per_cluster")
        ]

    def __str__(self) -> str:
        return f"{self.cluster} on {self.host}"


class TrainingSchedule(models.Model):
    """Starts a job for a market by cron, in the schedule's own time zone."""

    class Overlap(models.TextChoices):
        SKIP = "skip", "skip this time, and record it"
        QUEUE = "queue", "wait, and start after it"

    class Missed(models.TextChoices):
        RUN_ONCE = "once", "run once, late"
        SKIP = "skip", "skip, and record it"

    name = models.CharField(max_length=100, unique=True)
    job = models.CharField(max_length=20, choices=job_choices, default="session")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="schedules")
    preset = models.CharField(
        max_length=20, default="standard", blank=True, help_text="Empty for jobs that take none."
    )
    cron = models.CharField(
        max_length=100, help_text="Five fields: minute hour day month weekday, e.g. 30 2 * * *"
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="A name such as Europe/Kyiv.")
    overlap = models.CharField(
        max_length=8, choices=Overlap, default=Overlap.SKIP, help_text="If the previous run is still active."
    )
    missed = models.CharField(
        max_length=8,
        choices=Missed,
        default=Missed.RUN_ONCE,
        help_text="If no worker was there in time. Repeats that were missed are never made up.",
    )
    is_enabled = models.BooleanField(default=True)
    next_run_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def is_late(self, now: datetime) -> bool:
        """Return whether it was due more than three minutes ago and nothing has started it."""
        return bool(self.is_enabled and self.next_run_at and now - self.next_run_at > LATE_AFTER)

    def clean(self) -> None:
        """Check cron, time zone and preset, each with its own message."""
        faults: dict[str, str] = {}
        try:
            check_time_zone(self.time_zone)
            check_cron(self.cron, self.time_zone)
        except InvalidArgument as error:
            faults["time_zone" if str(error).startswith("time_zone") else "cron"] = str(error)
        presets = get_job(self.job).presets if self.job in dict(job_choices()) else ()
        if not presets:
            self.preset = ""
        elif self.preset not in presets:
            faults["preset"] = f"preset should be one of {', '.join(presets)}, is {self.preset!r}"
        if faults:
            raise ValidationError(faults)


class ScheduleFiring(models.Model):
    """What became of one due time of a schedule, or of one "run now"."""

    class Outcome(models.TextChoices):
        STARTED = "started", "started"
        WAITING = "waiting", "waits for the previous run to end"
        SKIPPED = "skipped:overlap", "skipped: the previous run was still active"
        MISSED = "skipped:missed", "skipped: no worker was there in time"
        FAILED = "failed", "could not start"

    schedule = models.ForeignKey(TrainingSchedule, on_delete=models.CASCADE, related_name="firings")
    due_at = models.DateTimeField()
    outcome = models.CharField(max_length=20, choices=Outcome)
    run = models.CharField(max_length=40, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who ran it by hand.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-due_at"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="runs_one_firing_per_due_time"),
            models.UniqueConstraint(
                fields=["schedule"], condition=Q(outcome="waiting"), name="runs_one_waiting_firing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schedule} due {self.due_at:%Y-%m-%d %H:%M}: {self.outcome}"
