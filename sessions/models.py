"""Training sessions, their trials, and the model versions that come out of them."""

from __future__ import annotations

from datetime import date, timedelta

from django.db import models
from django.urls import reverse

from patterns.models import PatternScan
from strategies.models import Look, Strategy, Tournament
from trainingday.markets.models import Dataset, Market
from trainingday.runs.models import Run
from trainingday.runs.progress import eta_seconds


class TrainingSession(Run):
    """One generation for a market: scan, tournament, search, training, evidence, gate, record.

    `baseline_sharpe` and `new_sharpe` are validation Sharpe ratios on the same bars: a test Sharpe is
    sealed unless the exam was passed, and then stands in the session's look.
    """

    kind = "session"

    preset = models.CharField(max_length=20)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    dataset_hash = models.CharField(max_length=64)
    generation = models.PositiveIntegerField(null=True, blank=True)
    baseline_sharpe = models.FloatField(null=True, blank=True)
    new_sharpe = models.FloatField(null=True, blank=True)
    improvement_percent = models.FloatField(
        null=True, blank=True, help_text="Only where the baseline's Sharpe is at least 0.1; decides nothing."
    )
    hyperparams_tested = models.PositiveIntegerField(default=0)
    patterns_discovered = models.PositiveIntegerField(
        default=0, help_text="New patterns confirmed on validation."
    )
    model_path = models.CharField(max_length=200, blank=True, default="")
    duration = models.FloatField(null=True, blank=True, help_text="Seconds of the attempt that finished.")
    cpu_seconds = models.FloatField(null=True, blank=True)
    verdict = models.CharField(max_length=20, blank=True, default="")
    environment = models.JSONField(default=dict, blank=True, help_text="Versions, threads and CPU.")
    report = models.JSONField(default=dict, blank=True, help_text="What was tried, measured and decided.")
    scan = models.OneToOneField(
        PatternScan, on_delete=models.PROTECT, null=True, blank=True, related_name="session"
    )
    tournament = models.OneToOneField(
        Tournament, on_delete=models.PROTECT, null=True, blank=True, related_name="session"
    )
    look = models.OneToOneField(Look, on_delete=models.PROTECT, null=True, blank=True, related_name="session")

    class Meta(Run.Meta):
        db_table = "training_sessions"

    def get_absolute_url(self) -> str:
        return reverse("sessions:detail", args=[self.pk])

    @property
    def n_looks(self) -> int:
        """Return how many sealed exams it has used: one at most."""
        return int(self.look is not None and self.look.is_charged)

    @property
    def eta_seconds(self) -> float | None:
        return eta_seconds(self.state, self.progress, self.started_at)


class Trial(models.Model):
    """One evaluation of the hyperparameter search; the rows are the truth, the study is rebuilt from them."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        COMPLETE = "complete", "complete"
        PRUNED = "pruned", "pruned"
        FAILED = "failed", "failed"

    session = models.ForeignKey(TrainingSession, on_delete=models.CASCADE, related_name="trials")
    index = models.PositiveIntegerField()
    batch = models.PositiveIntegerField()
    hyperparameters = models.JSONField()
    seed = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    score = models.FloatField(null=True, blank=True, help_text="Validation Sharpe of the best checkpoint.")
    intermediate = models.JSONField(default=list, blank=True)
    blocks = models.JSONField(
        default=list,
        blank=True,
        help_text="Bars, sum and sum of squares of validation returns by time block.",
    )
    reason = models.TextField(blank=True, default="")
    seconds = models.FloatField(null=True, blank=True)
    n_steps = models.PositiveIntegerField(null=True, blank=True)
    weights_hash = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "training_trials"
        ordering = ["session", "index"]
        constraints = [
            models.UniqueConstraint(fields=["session", "index"], name="sessions_one_row_per_trial")
        ]

    def __str__(self) -> str:
        return f"trial {self.index} of session {self.session_id}"


class ModelVersion(models.Model):
    """A trained policy: where it came from, what it was trained on, and what became of it."""

    class Stage(models.TextChoices):
        BASELINE = "baseline", "baseline: default settings, never examined"
        CANDIDATE = "candidate", "candidate"
        CHAMPION = "champion", "champion"
        REJECTED = "rejected", "rejected"
        RETIRED = "retired", "retired"

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="model_versions")
    session = models.ForeignKey(TrainingSession, on_delete=models.PROTECT, related_name="model_versions")
    number = models.PositiveIntegerField(help_text="Version within the market.")
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    # What is examined and deployed is fitted on train + validation; what was scored on validation, on train
    # alone. A baseline has only the latter.
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="model_versions")
    selection_strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="+")
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.CANDIDATE, db_index=True)
    stage_reason = models.TextField(blank=True, default="")
    algorithm = models.CharField(max_length=20)
    hyperparameters = models.JSONField()
    seed = models.BigIntegerField()
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    train_first_us = models.BigIntegerField()
    train_last_us = models.BigIntegerField()
    artifact = models.CharField(max_length=64)
    weights_hash = models.CharField(max_length=64, help_text="sha256 over the members' weights.")
    members = models.JSONField(
        default=list, help_text="Per seed: score on validation, steps, weights hash, learning curve."
    )
    default_scores = models.JSONField(
        default=list, help_text="Validation Sharpe of the default settings, trained with the same seeds."
    )
    settings_choice = models.JSONField(
        default=dict,
        blank=True,
        help_text="The best trial's settings against the default ones, on validation.",
    )
    overlay = models.JSONField(
        default=dict,
        blank=True,
        help_text="The risk overlay chosen on validation, with each choice's figures.",
    )
    warm_start = models.JSONField(
        default=dict,
        blank=True,
        help_text="Warm start of the champion against training from scratch, on validation.",
    )
    validation = models.JSONField(default=dict, help_text="Metrics on validation of the fit on train alone.")
    validation_sharpe = models.FloatField(null=True)
    signature = models.JSONField(
        default=dict, blank=True, help_text="The last check of the artefacts: state, reason, key, when."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "model_versions"
        ordering = ["market", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["market", "number"], name="sessions_one_model_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.market_id} v{self.number}"

    def get_absolute_url(self) -> str:
        return reverse("sessions:model", args=[self.pk])


class SessionReplay(Run):
    """A finished session run again from its own inputs, compared bit for bit: it writes nothing but its result."""

    kind = "replay"

    class Result(models.TextChoices):
        SAME = "same_bits", "same bits"
        DIFFERENT = "different_bits", "different bits"

    original = models.ForeignKey(TrainingSession, on_delete=models.CASCADE, related_name="replays")
    result = models.CharField(max_length=20, choices=Result, blank=True, default="")
    checked = models.JSONField(
        default=list,
        blank=True,
        help_text="Per part that agreed: its name and how many values were compared.",
    )
    difference = models.JSONField(
        null=True, blank=True, help_text="The first: where it is, the original's value, the replay's value."
    )
    environment = models.JSONField(default=dict, blank=True, help_text="Versions, threads and CPU.")
    environment_differences = models.JSONField(
        default=list, blank=True, help_text="Name, the original's value, the replay's value."
    )

    class Meta(Run.Meta):
        db_table = "session_replays"

    def get_absolute_url(self) -> str:
        return reverse("sessions:replay", args=[self.pk])

    @property
    def n_values(self) -> int:
        """Return how many values have been compared and agreed."""
        return sum(int(part["n_values"]) for part in self.checked)


class WrittenReport(Run):
    """What training came to over whole months, frozen as it was when written; `market` may be one of many."""

    kind = "report"

    preset = models.CharField(max_length=20)
    covers = models.CharField(
        max_length=90, blank=True, default="", help_text="Slug of its market; empty: all markets."
    )
    first_month = models.DateField(
        null=True, blank=True, help_text="Its first day; null: from the beginning."
    )
    until_month = models.DateField(
        null=True, blank=True, help_text="First day after it; null: until written."
    )
    months = models.JSONField(default=list, blank=True, help_text="Counts by market and month, newest first.")

    class Meta(Run.Meta):
        db_table = "written_reports"

    def get_absolute_url(self) -> str:
        return reverse("sessions:written-report", args=[self.pk])

    @property
    def last_month(self) -> date | None:
        """Return the first day of the last month that it covers, None where it covers all."""
        return self.until_month and (self.until_month - timedelta(days=1)).replace(day=1)


class HonestyRun(models.Model):
    """One run of the honesty benchmark: what the gate and the miner claimed where the truth is known."""

    parts = models.JSONField(help_text="Of models, tournaments and patterns.")
    n_markets = models.PositiveIntegerField(help_text="Null and planted markets for each part.")
    n_trained = models.PositiveIntegerField(default=0, help_text="Markets on which models were trained.")
    seed = models.BigIntegerField()
    results = models.JSONField(help_text="Lines with rates, intervals and rules.")
    has_passed = models.BooleanField()
    seconds = models.FloatField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "honesty_runs"
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"honesty run {self.pk}"

    @property
    def command(self) -> str:
        """Return the command that repeats it."""
        trained = f" --train {self.n_trained}" if self.n_trained else ""
        return (
            f"manage.py honesty --markets {self.n_markets} --parts {','.join(self.parts)} "
            f"--seed {self.seed}{trained}"
        )
