from __future__ import annotations

from typing import Any

from rest_framework import serializers

from trainingday.exceptions import InvalidArgument
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.intervals import INTERVALS
from trainingday.markets.models import Dataset, ImportProfile, Market
from trainingday.markets.profiles import apply_profile
from trainingday.rest import RefuseUnknownFields

UNDECIDED: Any = {"required": False, "allow_blank": True}


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    market: Any = serializers.CharField(source="market.slug", read_only=True)
    first_at = serializers.DateTimeField(read_only=True)
    last_at = serializers.DateTimeField(read_only=True)

    class Meta:
        model = Dataset
        fields = [
            "id",
            "market",
            "version",
            "sha256",
            "n_rows",
            "first_at",
            "last_at",
            "source",
            "created_at",
        ]


class DatasetDetailSerializer(DatasetSerializer):
    class Meta(DatasetSerializer.Meta):
        fields = [*DatasetSerializer.Meta.fields, "first_us", "last_us", "quality"]


class MarketSerializer(serializers.ModelSerializer[Market]):
    interval = serializers.CharField(source="interval_name", read_only=True)
    interval_seconds = serializers.IntegerField(source="interval", read_only=True)
    dataset = serializers.IntegerField(source="dataset_id", read_only=True, allow_null=True)
    dataset_sha256 = serializers.CharField(read_only=True, allow_null=True)
    n_bars = serializers.IntegerField(source="dataset_rows", read_only=True, allow_null=True)
    first_us = serializers.IntegerField(source="dataset_first_us", read_only=True, allow_null=True)
    last_us = serializers.IntegerField(source="dataset_last_us", read_only=True, allow_null=True)

    class Meta:
        model = Market
        fields = [
            "slug", "symbol", "venue", "interval", "interval_seconds", "calendar", "fee", "slippage",
            "bars_per_year", "alpha", "dataset", "dataset_sha256", "n_bars", "first_us", "last_us",
        ]  # fmt: skip


class FindingSerializer(serializers.Serializer[dict[str, Any]]):
    code = serializers.CharField()
    message = serializers.CharField()
    count = serializers.IntegerField()


class LayoutSerializer(RefuseUnknownFields, serializers.Serializer[dict[str, Any]]):
    """A file and corrections to what is detected in it; every field but the file is optional."""

    file = serializers.FileField(allow_empty_file=True, max_length=255)
    keep = serializers.ChoiceField(choices=["first", "last"], **UNDECIDED)
    quarantine = serializers.BooleanField(default=False)
    zone = serializers.CharField(max_length=60, **UNDECIDED)
    stamp = serializers.ChoiceField(choices=["open", "close"], default="open")
    on_date = serializers.DateField(required=False)
    header = serializers.ChoiceField(choices=["yes", "no"], **UNDECIDED)
    decimal = serializers.ChoiceField(choices=["point", "comma"], **UNDECIDED)
    time_unit = serializers.ChoiceField(choices=["s", "ms", "us", "ns"], **UNDECIDED)
    day_order = serializers.ChoiceField(choices=["day_first", "month_first"], **UNDECIDED)
    volume_unit = serializers.ChoiceField(choices=["base", "quote"], **UNDECIDED)
    prices = serializers.ChoiceField(choices=["raw", "adjusted"], **UNDECIDED)
    price_scale = serializers.FloatField(min_value=1e-9, max_value=1e9, required=False)
    delimiter = serializers.ChoiceField(choices=[",", ";", "tab", "|"], **UNDECIDED)
    group = serializers.CharField(max_length=20, **UNDECIDED)
    columns = serializers.CharField(max_length=2000, help_text="One name=role a line.", **UNDECIDED)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        lines = [line.strip() for line in attrs.pop("columns", "").splitlines() if line.strip()]
        try:
            options = ImportOptions.from_fields({**attrs, "columns": lines, "interval": None})
        except InvalidArgument as error:
            raise serializers.ValidationError(str(error)) from error
        profile = attrs.pop("profile", None)
        return {**attrs, "options": apply_profile(options, profile) if profile else options}


class ImportSerializer(LayoutSerializer):
    """A file for a market, with corrections; fields that are left out follow the profile, where one is named."""

    symbol = serializers.CharField(max_length=40)
    venue = serializers.CharField(max_length=40, default="file")
    interval = serializers.ChoiceField(choices=list(INTERVALS), **UNDECIDED)
    calendar = serializers.ChoiceField(choices=Market.Calendar.choices, **UNDECIDED)
    append = serializers.BooleanField(default=False)
    profile = serializers.SlugRelatedField(
        slug_field="name", queryset=ImportProfile.objects.all(), required=False, allow_null=True
    )


class ProfileSerializer(RefuseUnknownFields, serializers.ModelSerializer[ImportProfile]):
    class Meta:
        model = ImportProfile
        fields = ["id", "name", "options", "layout", "created_at"]
        read_only_fields = ["options", "layout", "created_at"]
        extra_kwargs: dict[str, Any] = {
            "name": {"validators": []}
        }  # the service answers 409 for a name that is taken


class SaveProfileSerializer(LayoutSerializer):
    """A file that shows the layout, its corrections, and the profile's name."""

    name = serializers.CharField(max_length=60)


class LoadResultSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="ok, already_imported, or the first warning's code.")
    created = serializers.BooleanField()
    market = serializers.CharField(source="market.slug")
    dataset = DatasetSerializer()
    warnings = FindingSerializer(many=True)
    report = serializers.JSONField()
