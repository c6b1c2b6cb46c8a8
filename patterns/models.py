"""Patterns, the scans that find them, and every later sighting with its outcome."""

from __future__ import annotations

from django.db import models

from trainingday.markets.models import Dataset, Market
from trainingday.runs.models import Run


class PatternScan(Run):
    """One search for patterns: mined on train, confirmed on validation, never on test."""

    kind = "scan"

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="+")
    n_tested = models.PositiveIntegerField(
        null=True, blank=True, help_text="Candidates counted for the false discovery rate."
    )
    n_found = models.PositiveIntegerField(null=True, blank=True)
    n_confirmed = models.PositiveIntegerField(null=True, blank=True)
    n_new = models.PositiveIntegerField(null=True, blank=True, help_text="Confirmed here for the first time.")
    recognition = models.JSONField(default=dict, blank=True)

    class Meta(Run.Meta):
        db_table = "pattern_scans"


class Pattern(models.Model):
    """A word of a market's path that was followed by returns unlike the base rate's.

    The same pattern found again is the same row: `key` names window, word, regimes, horizon, direction.
    """

    class State(models.TextChoices):
        CANDIDATE = "candidate", "candidate"
        CONFIRMED = "confirmed", "confirmed"
        RETIRED = "retired", "retired"

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="patterns")
    key = models.CharField(max_length=80)
    window = models.PositiveIntegerField(help_text="Bars of the shape.")
    word = models.CharField(max_length=20)
    volatility_regime = models.CharField(max_length=10)
    volume_regime = models.CharField(max_length=10)
    horizon = models.PositiveIntegerField(help_text="Bars that the position is held.")
    direction = models.SmallIntegerField(choices=[(1, "long"), (-1, "short")])
    definition = models.JSONField(help_text="What `discovery.pattern.Pattern.from_dict` reads.")
    state = models.CharField(max_length=10, choices=State, default=State.CANDIDATE, db_index=True)
    state_reason = models.TextField(blank=True, default="")
    found_by = models.ForeignKey(PatternScan, on_delete=models.PROTECT, related_name="patterns_found")
    last_scan = models.ForeignKey(PatternScan, on_delete=models.PROTECT, related_name="patterns_seen")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    # Each dict holds what patterns.discovery measured: n, success_rate, its Wilson interval, base_rate,
    # average_return (after costs), t, p_value, q_value.
    discovery = models.JSONField(default=dict)
    confirmation = models.JSONField(default=dict, blank=True)
    success_rate = models.FloatField(
        null=True, help_text="On the newest segment judged: validation once confirmed, else train."
    )
    average_return = models.FloatField(null=True, help_text="Mean forward return after costs, same segment.")
    n_occurrences = models.PositiveIntegerField(default=0)
    q_value = models.FloatField(null=True)
    template = models.JSONField(default=dict, blank=True, help_text="Mean path with a band, for the plot.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["market", "q_value", "pk"]
        constraints = [models.UniqueConstraint(fields=["market", "key"], name="patterns_one_row_per_key")]

    def __str__(self) -> str:
        return self.key


class PatternSighting(models.Model):
    """One occurrence after discovery; its outcome is filled in once the horizon has passed."""

    pattern = models.ForeignKey(Pattern, on_delete=models.CASCADE, related_name="sightings")
    bar_us = models.BigIntegerField(
        help_text="Opening time of the bar on which the word completed, microseconds UTC."
    )
    forward_return = models.FloatField(
        null=True, blank=True, help_text="In the pattern's direction, after costs."
    )
    is_success = models.BooleanField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pattern", "-bar_us"]
        constraints = [
            models.UniqueConstraint(fields=["pattern", "bar_us"], name="patterns_one_sighting_per_bar")
        ]

    def __str__(self) -> str:
        return f"{self.pattern_id} at {self.bar_us}"
