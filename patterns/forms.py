"""What a person may choose of a pattern scan, and why a person retires a pattern."""

from __future__ import annotations

from typing import Any

from django import forms

from patterns.discovery.pattern import REGIMES
from patterns.options import (
    DEFAULT_CONDITIONS,
    DEFAULT_HORIZONS,
    DEFAULT_REGIMES,
    DEFAULT_WINDOWS,
    MAX_CONDITIONS,
    MAX_HORIZONS,
    MAX_THRESHOLD,
    MAX_WINDOWS,
    ScanChoices,
)
from trainingday.access.reasons import REASON_LENGTH
from trainingday.markets.forms import MarketField
from trainingday.markets.splits import LONGEST_HORIZON, LONGEST_LOOKBACK

MAX_DIGITS = 6


class LengthsField(forms.Field):
    """Whole numbers of bars, separated by commas or spaces."""

    def to_python(self, value: Any) -> tuple[int, ...]:
        words = str(value or "").replace(",", " ").split()
        if not all(word.isascii() and word.isdigit() and len(word) <= MAX_DIGITS for word in words):
            raise forms.ValidationError("Whole numbers of bars are needed, separated by commas.")
        return tuple(int(word) for word in words)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else ", ".join(str(number) for number in value or ())


class StartScanForm(forms.Form):
    market = MarketField(
        "Patterns are mined on train and confirmed on validation; the sealed test is never read."
    )
    windows = LengthsField(
        initial=DEFAULT_WINDOWS,
        help_text=f"Bars of a shape: 1 to {MAX_WINDOWS} lengths, multiples of 5 from 10 to {LONGEST_LOOKBACK}.",
    )
    horizons = LengthsField(
        initial=DEFAULT_HORIZONS,
        help_text=f"Bars that a position is held: 1 to {MAX_HORIZONS} lengths from 1 to {LONGEST_HORIZON}.",
    )
    regimes = forms.MultipleChoiceField(
        choices=[(name, name) for name in REGIMES],
        initial=DEFAULT_REGIMES,
        required=False,
        label="Asked beside the shape",
        widget=forms.CheckboxSelectMultiple,
        help_text="Low, middle or high by the thirds of train. Trend and place in the range: of 120 bars.",
    )
    max_conditions = forms.IntegerField(
        min_value=0,
        max_value=MAX_CONDITIONS,
        initial=DEFAULT_CONDITIONS,
        label="Asked at once",
        help_text=f"0 to {MAX_CONDITIONS}. Every candidate more makes the test for luck harder.",
    )
    threshold = forms.FloatField(
        min_value=0,
        max_value=100 * MAX_THRESHOLD,
        initial=0,
        label="Success above, %",
        help_text="Return after costs per sighting that counts as a success. Higher is rarer, not better.",
    )

    @property
    def choices(self) -> ScanChoices:
        """Return the choices of a valid form."""
        given = self.cleaned_data
        return ScanChoices(
            given["windows"],
            given["horizons"],
            given["regimes"],
            given["max_conditions"],
            given["threshold"] / 100,
        )


class RetireForm(forms.Form):
    reason = forms.CharField(
        min_length=REASON_LENGTH[0],
        max_length=REASON_LENGTH[1],
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Kept with the pattern and in the audit log.",
    )
