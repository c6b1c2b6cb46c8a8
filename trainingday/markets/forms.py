"""What a person may say about a file to import."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms

from trainingday.exceptions import InvalidArgument
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.intervals import INTERVALS
from trainingday.markets.models import ImportProfile, Market
from trainingday.markets.profiles import apply_profile

AUTOMATIC = ("", "Detect")


class MarketField(forms.ModelChoiceField[Market]):
    """A choice of the markets that hold bars."""

    def __init__(self, help_text: str = "") -> None:
        super().__init__(
            Market.objects.with_bars(),
            to_field_name="slug",
            empty_label="Choose a market",
            help_text=help_text,
            error_messages={
                "invalid_choice": "No market of this name holds bars: import a file or download some first."
            },
        )


class ImportForm(forms.Form):
    """An upload with corrections to what is detected; `USUAL` names those that stand first."""

    file = forms.FileField(help_text="CSV, JSON, Parquet or Feather, also as .gz or as .zip with one file.")
    symbol = forms.CharField(max_length=40, help_text="As traders write it: BTC/USD, SPY.")
    venue = forms.CharField(max_length=40, initial="file", help_text="Exchange or vendor.")
    interval = forms.ChoiceField(
        required=False,
        choices=[AUTOMATIC, *((name, name) for name in INTERVALS)],
        help_text="A file of another interval is refused.",
    )
    calendar = forms.ChoiceField(
        required=False,
        choices=[AUTOMATIC, *Market.Calendar.choices],
        help_text="Of a new market: which missing bars are closed sessions.",
    )
    profile = forms.ModelChoiceField(
        ImportProfile.objects.all(),
        required=False,
        to_field_name="name",
        empty_label="None",
        label="Saved profile",
        help_text="How files of this kind are read; a file that differs is refused.",
    )
    append = forms.BooleanField(
        required=False, label="Add to the newest dataset", help_text="Otherwise the file replaces it."
    )
    keep = forms.ChoiceField(
        required=False,
        label="Two different bars of one time",
        choices=[("", "Refuse the file"), ("first", "Keep the first"), ("last", "Keep the last")],
    )
    quarantine = forms.BooleanField(
        required=False, label="Set bad rows aside", help_text="At most 5 % of the rows; they are listed."
    )
    zone = forms.ChoiceField(
        required=False,
        label="Time zone",
        choices=[
            ("", "As in the file, else UTC"),
            *((name, name) for name in sorted(zoneinfo.available_timezones())),
        ],
        help_text="Of times without an offset.",
    )
    stamp = forms.ChoiceField(
        required=False, label="Times name the bar's", choices=[("open", "open"), ("close", "close")]
    )
    on_date = forms.DateField(
        required=False, label="Date", help_text="YYYY-MM-DD, where the file's times count from midnight."
    )
    header = forms.ChoiceField(
        required=False, label="Header line", choices=[AUTOMATIC, ("yes", "yes"), ("no", "no")]
    )
    decimal = forms.ChoiceField(
        required=False,
        label="Decimal mark",
        choices=[AUTOMATIC, ("point", "point 1.5"), ("comma", "comma 1,5")],
    )
    time_unit = forms.ChoiceField(
        required=False,
        label="Unit of epoch times",
        choices=[
            AUTOMATIC,
            ("s", "seconds"),
            ("ms", "milliseconds"),
            ("us", "microseconds"),
            ("ns", "nanoseconds"),
        ],
    )
    day_order = forms.ChoiceField(
        required=False,
        label="Order of 03/04/2024",
        choices=[AUTOMATIC, ("day_first", "3 April"), ("month_first", "4 March")],
    )
    volume_unit = forms.ChoiceField(
        required=False,
        label="Unit of a single volume column",
        choices=[AUTOMATIC, ("base", "base"), ("quote", "quote")],
    )
    prices = forms.ChoiceField(
        required=False,
        choices=[AUTOMATIC, ("raw", "raw"), ("adjusted", "adjusted")],
        label="Raw or adjusted prices",
    )
    price_scale = forms.FloatField(
        required=False,
        min_value=1e-9,
        max_value=1e9,
        help_text="Stored price per unit of currency: 10000 for Lean.",
    )
    delimiter = forms.ChoiceField(
        required=False, choices=[AUTOMATIC, (",", "comma"), (";", "semicolon"), ("tab", "tab"), ("|", "bar")]
    )
    group = forms.CharField(
        required=False, max_length=20, help_text="Which NAME:open … columns of a wide file."
    )
    columns = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One name=role a line; roles: time, open, high, low, close, volume, quote_volume, ignore.",
    )
    USUAL = ("file", "symbol", "venue", "interval", "calendar", "profile")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        lines = [line.strip() for line in cleaned.get("columns", "").splitlines() if line.strip()]
        try:
            self.options = ImportOptions.from_fields({**cleaned, "columns": lines, "interval": None})
        except InvalidArgument as error:
            raise forms.ValidationError(str(error)) from error
        if cleaned.get("profile"):
            self.options = apply_profile(self.options, cleaned["profile"])
        return cleaned

    def usual_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.USUAL]

    def other_fields(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in self.USUAL]
