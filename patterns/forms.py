"""What a person may choose of a pattern scan."""

from __future__ import annotations

from django import forms

from trainingday.markets.models import Market


class StartScanForm(forms.Form):
    market = forms.ModelChoiceField(
        Market.objects.all(),
        to_field_name="slug",
        empty_label="Choose a market",
        help_text="Patterns are mined on train and confirmed on validation; the sealed test is never read.",
    )
