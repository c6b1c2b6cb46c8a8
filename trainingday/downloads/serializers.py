"""What the API shows and takes of downloads."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from trainingday.markets.intervals import INTERVALS
from trainingday.rest import RefuseUnknownFields
from trainingday.runs.serializers import RunSerializer


class DownloadSerializer(RunSerializer):
    exchange = serializers.CharField(read_only=True)
    is_refresh = serializers.BooleanField(read_only=True)
    since = serializers.DateTimeField(read_only=True)
    reached = serializers.DateTimeField(read_only=True)
    n_candles = serializers.IntegerField(read_only=True)
    n_requests = serializers.IntegerField(read_only=True)
    n_retries = serializers.IntegerField(read_only=True)
    skew_seconds = serializers.FloatField(read_only=True, allow_null=True)
    dataset = serializers.IntegerField(source="dataset_id", read_only=True, allow_null=True)
    summary = serializers.CharField(read_only=True)


class StartDownloadSerializer(RefuseUnknownFields, serializers.Serializer[dict[str, Any]]):
    """Either `market`, whose newest dataset is refreshed, or exchange, symbol, interval and since."""

    market = serializers.CharField(max_length=90, required=False)
    exchange = serializers.CharField(max_length=40, required=False)
    symbol = serializers.CharField(
        max_length=40, required=False, help_text="BTC/USDT; a perpetual BTC/USDT:USDT"
    )
    interval = serializers.ChoiceField(choices=list(INTERVALS), required=False)
    since = serializers.DateTimeField(required=False)
    keep = serializers.ChoiceField(choices=["", "first", "last"], default="")
    quarantine = serializers.BooleanField(default=False, help_text="Set broken candles aside (at most 5 %).")
    options = serializers.DictField(default=dict, help_text="timeout_seconds, page_size")

    SERIES = ("exchange", "symbol", "interval", "since")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [name for name in self.SERIES if name in attrs]
        if "market" in attrs and given:
            raise serializers.ValidationError({given[0]: ["Not together with market, which is refreshed."]})
        if "market" not in attrs and len(given) < len(self.SERIES):
            missing = next(name for name in self.SERIES if name not in attrs)
            raise serializers.ValidationError({missing: ["This field is required, or market for a refresh."]})
        return attrs
