"""The forward record as pages and the API show it: since promotion, beside buy & hold, with its alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from strategies.forward_evidence import ALARM_LEVEL
from strategies.forward_series import ForwardSeries
from strategies.models import Champion, ForwardRecord, Look
from strategies.queries import public_decision
from trainingday.charts import Chart, Trace
from trainingday.display import percent, thin
from trainingday.markets.models import Market, moment
from trainingday.stats.forward import MIN_FORWARD_BARS, follow_mean
from trainingday.typing import FloatArray, JSONDict

TIME = "Bar, UTC"


def promotion_card(reign: Champion) -> JSONDict | None:
    """Return the gate card of what made a champion: its exam, or its lead on later bars; None by hand."""
    origin = reign.restores or reign
    if origin.look is not None:
        return public_decision(origin.look)
    if origin.forward is None or not origin.forward.proof:
        return None
    proof = origin.forward.proof
    rules = [
        {
            "title": f"Leads {lead['rival']} beyond luck",
            "threshold": f"the whole confidence sequence above 0, level {lead['level']:g}",
            "value": f"{percent(lead['mean'])} a year ({percent(lead['low'])} to {percent(lead['high'])}), "
            f"n = {lead['n_bars']:,} bars",
            "passed": True,
            "reason": lead["reason"],
        }
        for lead in proof["leads"]
    ]
    return {"verdict": "passed", "reason": proof["reason"], "rules": rules, "is_forward": True}


@dataclass(frozen=True, eq=False)
class Challenger:
    """A failed exam, and what its candidate did on later bars."""

    look: Look
    record: ForwardRecord


@dataclass(frozen=True, eq=False)
class ForwardPage:
    """What a market's champion page says of bars that came later.

    Attributes
    ----------
    record : ForwardRecord or None
        Of the current reign; None before its first pass.
    challengers : sequence of Challenger
        Those that failed an exam, the newest first.
    """

    market: Market
    record: ForwardRecord | None
    challengers: Sequence[Challenger]

    @classmethod
    def of(cls, market: Market, history: Sequence[Champion], looks: Sequence[Look]) -> ForwardPage:
        """Return the page of reigns and looks that were read with their records; one query for the charts."""
        reigning = (reign for reign in history if reign.until is None)
        reign = next(reigning, None)
        record = getattr(reign, "record", None)
        followed = [Challenger(look, look.record) for look in looks if hasattr(look, "record")]
        return cls(market, record, followed)

    @cached_property
    def series(self) -> ForwardSeries:
        parts = self.record.stretches.values_list("content", flat=True) if self.record else ()
        return ForwardSeries.from_bytes(parts)

    @cached_property
    def equity(self) -> Chart:
        """Return the champion's equity since its promotion beside buy & hold, both net of costs."""
        lines = [
            self._line("champion", self.series.equity, role="accent"),
            self._line("buy & hold", self.series.market_equity, role="dim", dash="dot"),
        ]
        return Chart(TIME, "Equity, newest bar before = 1", lines, is_time=True)

    @cached_property
    def mean(self) -> Chart:
        """Return the mean return against doing nothing with its confidence sequence, annualised."""
        year = self.market.bars_per_year
        if len(self.series) < MIN_FORWARD_BARS:
            return Chart(TIME, "Mean return [% a year]", [], is_time=True)
        found = follow_mean(self.series.returns, bars_per_year=year, level=ALARM_LEVEL)
        later = slice(MIN_FORWARD_BARS - 1, None)
        mean, low, high = (100.0 * year * part[later] for part in (found.mean, found.low, found.high))
        line = self._line("mean since promotion", mean, role="accent", low=low, high=high, first=later.start)
        return Chart(TIME, "Mean return [% a year]", [line], is_time=True)

    def _line(
        self,
        name: str,
        values: FloatArray,
        *,
        role: str,
        dash: str = "solid",
        low: FloatArray | None = None,
        high: FloatArray | None = None,
        first: int = 0,
    ) -> Trace:
        places = thin(range(len(values)))
        stamps = self.series.timestamps[first:]
        return Trace(
            name,
            [f"{moment(int(stamps[place])):%Y-%m-%d %H:%M}" for place in places],
            values[places].tolist(),
            role=role,
            dash=dash,
            low=() if low is None else low[places].tolist(),
            high=() if high is None else high[places].tolist(),
        )


def forward_bars(record: ForwardRecord) -> JSONDict:
    """Return the recorded bars as lists, with the dataset of each; one query."""
    stretches = list(record.stretches.values_list("content", "dataset_hash", "n_bars"))
    series = ForwardSeries.from_bytes(content for content, _, _ in stretches)
    return {
        "timestamps": series.timestamps.tolist(),
        "positions": series.positions.tolist(),
        "returns": series.returns.tolist(),
        "market_returns": series.market_returns.tolist(),
        "datasets": [sha256 for _, sha256, n_bars in stretches for _ in range(n_bars)],
    }
