"""What a person may choose of a download."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms

from trainingday.markets.exchange.exchanges import EXCHANGES
from trainingday.markets.intervals import INTERVALS


class StartDownloadForm(forms.Form):
    exchange = forms.ChoiceField(
        choices=[
            (exchange.id, f"{exchange.title} ({exchange.note})" if exchange.note else exchange.title)
            for exchange in EXCHANGES.values()
        ],
        help_text="Public candles; no account or key is needed.",
    )
    symbol = forms.CharField(max_length=40, help_text="BTC/USDT; a perpetual BTC/USDT:USDT.")
    interval = forms.ChoiceField(choices=[(name, name) for name in INTERVALS], initial="1h")
    since = forms.DateField(
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="First day, UTC. The last finished bar ends it.",
    )
    keep = forms.ChoiceField(
        required=False,
        label="Two different candles of one time",
        choices=[("", "Refuse the download"), ("first", "Keep the first"), ("last", "Keep the last")],
    )
    quarantine = forms.BooleanField(
        required=False,
        label="Set broken candles aside",
        help_text="At most 5 %; they are listed. Otherwise a candle that stays broken ends the download.",
    )

    def clean_since(self) -> datetime:
        day: Any = self.cleaned_data["since"]
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
