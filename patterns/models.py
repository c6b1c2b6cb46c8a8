"""Patterns, the scans that find them, and every later sighting with its outcome."""

from __future__ import annotations

from django.db import models

from trainingday.markets.models import Dataset, Market
from trainingday.runs.models import Run
from trainingday.typing import JSONDict

DIRECTIONS = [(1, "long"), (-1, "short")]
LEVELS = ("low", "middle", "high")  # thirds of train


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
    n_retired = models.PositiveIntegerField(null=True, blank=True, help_text="Retired here by rule.")
    summary = models.TextField(
        blank=True, default="", help_text="What it came to; stored with the patterns, in one transaction."
    )
    recognition = models.JSONField(
        default=dict, blank=True, help_text="Of all patterns known to the market once the scan had ended."
    )

    class Meta(Run.Meta):
        db_table = "pattern_scans"


class Pattern(models.Model):
    """A word of a market's path that was followed by returns unlike the base rate's.

    The same pattern found again is the same row: `key` names window, word, regimes, horizon, direction.
    Until it is confirmed each scan that finds it renews its definition and evidence; from then on both
    stay as they were confirmed, and only what came later is added.
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
    trend_regime = models.CharField(max_length=10, default="any")
    place_regime = models.CharField(max_length=10, default="any", help_text="Of the close in its range.")
    horizon = models.PositiveIntegerField(help_text="Bars that the position is held.")
    direction = models.SmallIntegerField(choices=DIRECTIONS)
    definition = models.JSONField(help_text="What `discovery.pattern.Pattern.from_dict` reads.")
    state = models.CharField(max_length=10, choices=State, default=State.CANDIDATE, db_index=True)
    state_reason = models.TextField(blank=True, default="")
    found_by = models.ForeignKey(PatternScan, on_delete=models.PROTECT, related_name="patterns_found")
    last_scan = models.ForeignKey(PatternScan, on_delete=models.PROTECT, related_name="patterns_seen")
    confirmed_by = models.ForeignKey(
        PatternScan, on_delete=models.PROTECT, null=True, blank=True, related_name="patterns_confirmed"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)
    success_threshold = models.FloatField(
        default=0.0, help_text="A sighting succeeds if its return after costs is above this fraction."
    )
    # Times of bars, microseconds UTC. Sightings begin at `later_from_us`, which mining never saw; from
    # `judged_from_us` on not even the confirmation has seen them.
    later_from_us = models.BigIntegerField(default=0)
    judged_from_us = models.BigIntegerField(default=0)
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_until_us = models.BigIntegerField(
        null=True, blank=True, help_text="Last bar that the retirement rule had read; empty if by hand."
    )
    # Each dict holds what patterns.discovery measured: n, success_rate, its Wilson interval, base_rate,
    # average_return (after costs), t, p_value, q_value.
    discovery = models.JSONField(default=dict)
    confirmation = models.JSONField(default=dict, blank=True)
    tracking = models.JSONField(
        default=dict,
        blank=True,
        help_text="Records over all later bars (`since_found`) and those after confirmation "
        "(`since_confirmed`), and the `decay` against train; sealed test bars are in none of them.",
    )
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

    @property
    def later_record(self) -> JSONDict:
        """Return the record on the bars that mining did not see, as the newest scan left it."""
        found: JSONDict = self.tracking.get("since_found") or self.confirmation
        return found

    @property
    def decay(self) -> JSONDict:
        """Return how the later record differs from the one on train; empty where it was not followed yet."""
        change: JSONDict = self.tracking.get("decay") or {}
        return change

    @property
    def conditions(self) -> str:
        """Return what it asks of the market beside its word, in words; empty for nothing."""
        asked = (
            (name, getattr(self, f"{name}_regime")) for name in ("volatility", "volume", "trend", "place")
        )
        return ", ".join(f"{name} {LEVELS[int(value[-1])]}" for name, value in asked if value != "any")


class PatternFinding(models.Model):
    """What one scan measured of one pattern that it found: the pattern's history."""

    pattern = models.ForeignKey(Pattern, on_delete=models.CASCADE, related_name="findings")
    scan = models.ForeignKey(PatternScan, on_delete=models.CASCADE, related_name="findings")
    is_confirmed = models.BooleanField()
    discovery = models.JSONField()
    confirmation = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["scan", "pattern"]
        constraints = [
            models.UniqueConstraint(fields=["pattern", "scan"], name="patterns_one_finding_per_scan")
        ]

    def __str__(self) -> str:
        return f"{self.pattern_id} by scan-{self.scan_id}"


class PatternSet(models.Model):
    """A frozen set of patterns that a strategy trades, named by the sha256 of its definition."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="pattern_sets")
    sha256 = models.CharField(max_length=64, unique=True)
    definition = models.JSONField(help_text="What `patterns.services.positions_of_set` reads.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["market", "-pk"]

    def __str__(self) -> str:
        return self.sha256[:12]


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
