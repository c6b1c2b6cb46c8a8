"""What the API shows and takes of patterns, scans and sightings."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from patterns.discovery.pattern import REGIMES
from patterns.models import Pattern, PatternScan, PatternSighting
from patterns.options import (
    DEFAULT_CONDITIONS,
    DEFAULT_HORIZONS,
    DEFAULT_REGIMES,
    DEFAULT_WINDOWS,
    MAX_CONDITIONS,
    MAX_HORIZONS,
    MAX_THRESHOLD,
    MAX_WINDOWS,
)
from patterns.services import MAX_SEED
from trainingday.access.reasons import REASON_LENGTH
from trainingday.fields import MarketField
from trainingday.markets.splits import LONGEST_HORIZON, LONGEST_LOOKBACK
from trainingday.rest import RefuseUnknownFields


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a fraction, or ASCII digits; never a boolean."""

    def to_internal_value(self, data: Any) -> int:
        is_digits = isinstance(data, str) and data.isascii() and data.lstrip("-").isdigit()
        if isinstance(data, bool) or not (isinstance(data, int) or is_digits):
            raise serializers.ValidationError("A whole number in ASCII digits is required.")
        return super().to_internal_value(data)


class FractionField(serializers.FloatField):
    """A JSON number; never a boolean or text."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("A number is required.")
        return super().to_internal_value(data)


class PatternScanSerializer(serializers.ModelSerializer[PatternScan]):
    """One scan: mined on train, confirmed on validation."""

    run = serializers.CharField(source="public_id", read_only=True)
    market = serializers.CharField(source="market.slug", read_only=True)
    dataset = serializers.IntegerField(source="dataset.version", read_only=True)
    dataset_hash = serializers.CharField(source="dataset.sha256", read_only=True)

    class Meta:
        model = PatternScan
        fields = [
            "id", "run", "market", "dataset", "dataset_hash", "state", "stage", "progress", "trigger", "is_part",
            "seed", "configuration", "n_tested", "n_found", "n_confirmed", "n_new", "n_retired", "recognition",
            "reason", "attempts", "created_at", "started_at", "finished_at",
        ]  # fmt: skip


class StartScanSerializer(RefuseUnknownFields, serializers.Serializer[Any]):
    """What starting a scan takes."""

    market = MarketField()
    seed = WholeNumberField(required=False, min_value=0, max_value=MAX_SEED)
    windows = serializers.ListField(
        child=WholeNumberField(min_value=10, max_value=LONGEST_LOOKBACK),
        min_length=1,
        max_length=MAX_WINDOWS,
        default=list(DEFAULT_WINDOWS),
        help_text="Bars of the shapes, multiples of 5.",
    )
    horizons = serializers.ListField(
        child=WholeNumberField(min_value=1, max_value=LONGEST_HORIZON),
        min_length=1,
        max_length=MAX_HORIZONS,
        default=list(DEFAULT_HORIZONS),
        help_text="Bars that a position is held.",
    )
    regimes = serializers.ListField(
        child=serializers.ChoiceField(choices=REGIMES),
        max_length=len(REGIMES),
        default=list(DEFAULT_REGIMES),
        help_text="What a candidate may ask of the market beside its word.",
    )
    max_conditions = WholeNumberField(
        default=DEFAULT_CONDITIONS,
        min_value=0,
        max_value=MAX_CONDITIONS,
        help_text="How many of the regimes a candidate may ask for at once.",
    )
    success_threshold = FractionField(
        default=0.0,
        min_value=0.0,
        max_value=MAX_THRESHOLD,
        help_text="Return after costs, a fraction, above which a sighting succeeds.",
    )


class PatternSerializer(serializers.ModelSerializer[Pattern]):
    """One pattern. `success_rate` and `average_return` (after costs) are of validation, of train where
    validation holds no sighting."""

    market = serializers.CharField(source="market.slug", read_only=True)

    class Meta:
        model = Pattern
        fields = [
            "id", "market", "key", "window", "word", "volatility_regime", "volume_regime", "trend_regime",
            "place_regime", "horizon", "direction", "state", "state_reason", "found_by", "last_scan", "confirmed_by", "confirmed_at", "retired_at",
            "success_threshold", "success_rate", "average_return", "n_occurrences", "q_value", "created_at",
            "updated_at",
        ]  # fmt: skip


class PatternDetailSerializer(PatternSerializer):
    """One pattern with its evidence: `discovery` on train, `confirmation` on validation, `tracking` on all
    later bars but the sealed test window."""

    class Meta(PatternSerializer.Meta):
        fields = [
            *PatternSerializer.Meta.fields, "definition", "discovery", "confirmation", "tracking", "template",
        ]  # fmt: skip


class PatternSightingSerializer(serializers.ModelSerializer[PatternSighting]):
    """One later occurrence; the outcome is null until the horizon has passed."""

    class Meta:
        model = PatternSighting
        fields = ["id", "pattern", "bar_us", "forward_return", "is_success", "created_at"]


class RetireSerializer(RefuseUnknownFields, serializers.Serializer[Any]):
    """Why a person retires a pattern."""

    reason = serializers.CharField(min_length=REASON_LENGTH[0], max_length=REASON_LENGTH[1])


class SegmentSerializer(serializers.Serializer[Any]):
    first_us = serializers.IntegerField()
    last_us = serializers.IntegerField()
    n_bars = serializers.IntegerField()
    metrics = serializers.JSONField()


class SegmentsSerializer(serializers.Serializer[Any]):
    train = SegmentSerializer(allow_null=True)
    validation = SegmentSerializer(allow_null=True)


class BacktestSerializer(serializers.Serializer[Any]):
    """The pattern traded alone, on train and on validation."""

    pattern = serializers.CharField()
    dataset = serializers.IntegerField()
    segments = SegmentsSerializer()
