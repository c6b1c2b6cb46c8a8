"""Strategies, tournaments, the champion of each market, and the looks that its exams used."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from trainingday.exceptions import StateConflict
from trainingday.markets.models import Dataset, Market, TestWindow
from trainingday.runs.models import Run


class Strategy(models.Model):
    """Anything that turns bars into positions: a family with parameters, or a trained model.

    `artifact` names the file of a model or of an ensemble's members, or a frozen pattern set; of everything
    else it is "". A model's and a pattern set's `parameters` are {}.
    """

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="strategies")
    family = models.CharField(max_length=40, db_index=True)
    parameters = models.JSONField(default=dict, blank=True)
    artifact = models.CharField(max_length=64, blank=True, default="")
    fingerprint = models.CharField(max_length=64, help_text="sha256 of family, parameters and artefact.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["market", "family", "pk"]
        verbose_name_plural = "strategies"
        constraints = [
            models.UniqueConstraint(
                fields=["market", "fingerprint"], name="strategies_one_row_per_fingerprint"
            )
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """Return the family with its parameters by name, as PostgreSQL keeps them in an order of its own."""
        values = [f"{name}={value:.4g}" for name, value in sorted(self.parameters.items())]
        return " ".join([self.family, *values, *([self.artifact[:10]] if self.artifact else [])])


class Tournament(Run):
    """Entrants scored on the same validation bars, bred for some generations; one exam at most."""

    kind = "tournament"

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    n_generations = models.PositiveIntegerField(default=1, help_text="Bred after the founders.")
    n_entrants = models.PositiveIntegerField(null=True, blank=True)
    winner = models.ForeignKey(
        Strategy, on_delete=models.PROTECT, null=True, blank=True, related_name="tournaments_won"
    )
    winner_sharpe = models.FloatField(
        null=True, blank=True, help_text="On validation, the best of all entrants."
    )
    verdict = models.CharField(max_length=20, blank=True, default="")
    history = models.JSONField(
        default=list, blank=True, help_text="Best, median and diversity by generation."
    )

    summary = models.JSONField(default=dict, blank=True, help_text="Winner, controls and what was searched.")

    class Meta(Run.Meta):
        db_table = "tournaments"

    def get_absolute_url(self) -> str:
        return reverse("strategies:tournament", args=[self.pk])


class StrategyPerformance(models.Model):
    """One entrant of a tournament, with its parents: the genealogy. Scores are validation scores."""

    class Operator(models.TextChoices):
        DEFAULT = "default", "default parameters"
        CHAMPION = "champion", "past champion"
        CONTROL = "control", "control: always takes part"
        RANDOM = "random", "random parameters"
        CROSSOVER = "crossover", "crossover"
        MUTATION = "mutation", "mutation"
        ELITE = "elite", "kept"
        IMMIGRANT = "immigrant", "immigrant"
        PAST = "past", "from a past population"
        ENSEMBLE = "ensemble", "ensemble of entrants"

    tournament = models.ForeignKey(Tournament, on_delete=models.CASCADE, related_name="performances")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="performances")
    uid = models.CharField(max_length=64, help_text="The individual's name inside its tournament.")
    strategy_name = models.CharField(max_length=40)
    generation = models.PositiveIntegerField()
    operator = models.CharField(max_length=12, choices=Operator)
    parents = models.ManyToManyField("self", symmetrical=False, related_name="children", blank=True)
    mutation = models.JSONField(default=dict, blank=True, help_text="Gene differences to the first parent.")
    fitness = models.FloatField(null=True, help_text="What selection used; null ranks last.")
    sharpe_ratio = models.FloatField(null=True)
    total_return = models.FloatField(null=True)
    max_drawdown = models.FloatField(null=True)
    win_rate = models.FloatField(null=True)
    n_trades = models.PositiveIntegerField(default=0)
    turnover = models.FloatField(null=True)
    sharpe_double_costs = models.FloatField(null=True, help_text="Cost stress: fee and slippage doubled.")
    rank = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "strategy_performance"
        ordering = ["tournament", "generation", "rank", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["tournament", "uid"], name="strategies_one_row_per_individual")
        ]
        indexes = [models.Index(fields=["tournament", "generation", "rank"])]

    def __str__(self) -> str:
        return f"{self.strategy_name} of generation {self.generation}"


class Look(models.Model):
    """One use of a market's sealed test window by one candidate.

    `decision` holds what the gate saw ("sealed") and what may be shown of it ("public"). Only
    `strategies.queries.public_decision` reads it for people: after any verdict but "passed" it holds no
    test number, and `p_value` is sealed too. UNIQUE(run) makes a run at most one exam.
    """

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="looks")
    test_window = models.ForeignKey(TestWindow, on_delete=models.PROTECT, related_name="looks")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="looks")
    run_kind = models.CharField(max_length=20)
    run_pk = models.BigIntegerField()
    is_charged = models.BooleanField(help_text="False where the gate could not tell: no exam was used.")
    level = models.FloatField()
    p_value = models.FloatField(null=True, blank=True)
    verdict = models.CharField(max_length=20)
    decision = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["run_kind", "run_pk"], name="strategies_one_exam_per_run")
        ]

    def __str__(self) -> str:
        return f"{self.run_kind}-{self.run_pk}: {self.verdict}"


class ValidationRecord(models.Model):
    """A candidate's validation score; only one above every earlier record may sit an exam."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="+")
    test_window = models.ForeignKey(TestWindow, on_delete=models.PROTECT, related_name="+")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="+")
    run_kind = models.CharField(max_length=20)
    run_pk = models.BigIntegerField()
    score = models.FloatField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run_kind", "run_pk"], name="strategies_one_record_per_run")
        ]

    def __str__(self) -> str:
        return f"{self.run_kind}-{self.run_pk}: {self.score}"


class Champion(models.Model):
    """The one thing per market whose position the bot follows, and all that held the title before."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="champions")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="reigns")
    look = models.OneToOneField(
        Look, on_delete=models.PROTECT, null=True, blank=True, related_name="champion"
    )
    since = models.DateTimeField(auto_now_add=True)
    until = models.DateTimeField(null=True, blank=True)
    reason = models.TextField()
    restores = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="restored_by",
        help_text="The earned reign on whose evidence it rests, where a person took it up again.",
    )
    resumes = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="resumed_by",
        help_text="The reign whose place in the succession a roll-back took; a promotion begins its own.",
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    forward = models.OneToOneField(
        "ForwardRecord",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="promoted",
        help_text="The record on later bars that promoted it, where no exam did.",
    )
    ended_reason = models.TextField(
        blank=True, default="", help_text="Why it ended, where nothing replaced it."
    )
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["market", "-since", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["market"], condition=Q(until__isnull=True), name="strategies_one_champion_per_market"
            )
        ]

    def __str__(self) -> str:
        return f"{self.strategy} since {self.since:%Y-%m-%d}"


class ForwardRecord(models.Model):
    """What one strategy did on bars that arrived after it was examined or crowned; only ever appended to.

    A reign's record starts at the newest bar known when it began, a rejected challenger's at the newest bar
    known when its exam failed. `standing` is what the recorded bars say so far, for pages; the bars
    themselves are in the stretches.
    """

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="forward_records")
    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="forward_records")
    reign = models.OneToOneField(
        Champion, on_delete=models.PROTECT, null=True, blank=True, related_name="record"
    )
    look = models.OneToOneField(Look, on_delete=models.PROTECT, null=True, blank=True, related_name="record")
    after_us = models.BigIntegerField("newest bar known when it was fixed, microseconds UTC")
    opening_position = models.FloatField(null=True, blank=True, help_text="Target decided on that bar.")
    until_us = models.BigIntegerField("last bar recorded, microseconds UTC")
    checked_us = models.BigIntegerField("newest bar that was offered, microseconds UTC")
    n_bars = models.PositiveIntegerField(default=0)
    standing = models.JSONField(default=dict, blank=True)
    proof = models.JSONField(default=dict, blank=True, help_text="The standing that promoted it.")
    problem = models.TextField(blank=True, default="", help_text="Why newer bars could not be recorded.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["market", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reign__isnull=True, look__isnull=False)
                | Q(reign__isnull=False, look__isnull=True),
                name="strategies_record_of_reign_or_look",
            ),
            models.UniqueConstraint(
                fields=["market", "strategy"],
                condition=Q(look__isnull=False),
                name="strategies_one_record_per_challenger",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.strategy} on {self.n_bars} later bars"

    @property
    def has_alarm(self) -> bool:
        """Return whether the record of a reign says that it loses money beyond bad luck."""
        return bool(self.standing.get("alarm"))


class ForwardStretch(models.Model):
    """Bars that were recorded together, with the dataset that they were read from; it never changes."""

    record = models.ForeignKey(ForwardRecord, on_delete=models.PROTECT, related_name="stretches")
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    dataset_hash = models.CharField(max_length=64)
    first_us = models.BigIntegerField("first bar, microseconds UTC")
    last_us = models.BigIntegerField("last bar, microseconds UTC")
    n_bars = models.PositiveIntegerField()
    content = models.BinaryField(help_text="See strategies.forward_series.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["record", "first_us"]
        constraints = [
            models.UniqueConstraint(fields=["record", "first_us"], name="strategies_one_stretch_per_start")
        ]

    def __str__(self) -> str:
        return f"{self.n_bars} bars of record {self.record_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise StateConflict("a recorded stretch never changes: later bars make a new one")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise StateConflict("a recorded stretch is kept for good: a promotion may rest on it")


class LatestPosition(models.Model):
    """What a champion holds after the newest bar, kept for signals: one row a strategy, replaced by newer bars.

    It repeats what `strategies.positions.positions_of` says, so it may be lost at any time.
    """

    strategy = models.OneToOneField(Strategy, on_delete=models.CASCADE, related_name="latest_position")
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+")
    position = models.FloatField(help_text="Target as a fraction of equity in [-1, 1].")
    since_us = models.BigIntegerField("bar that decided it, microseconds UTC")
    bar_us = models.BigIntegerField("newest bar, microseconds UTC")
    walks = models.BinaryField(default=b"", help_text="See strategies.walks.")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.position:+.4g} of {self.strategy}"
