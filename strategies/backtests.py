"""One strategy's backtest on the bars of a market that may be seen: never on its sealed test window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from strategies.library.base import Family
from strategies.library.registry import families, get_family
from strategies.stored_strategy import StoredStrategy, find_stored
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.result import BacktestResult
from trainingday.bars import Bars
from trainingday.display import MAX_POINTS
from trainingday.exceptions import InvalidArgument, NotEnoughBars
from trainingday.markets.models import Dataset, Market
from trainingday.markets.queries import query_bars, query_latest_dataset, query_split
from trainingday.markets.splits import Split
from trainingday.stats.drawdowns import drawdown_series
from trainingday.stats.proportions import wilson_interval
from trainingday.typing import FloatArray, IntArray, JSONDict

SEGMENTS = ("train", "validation")
DEFAULT_SEGMENT = "train+validation"
MAX_BARS = 2_000_000  # a web process computes it while the caller waits
WHY_NO_TEST = (
    "The test window is sealed: it is the exam that decides promotions, and whoever has seen a strategy's "
    "result there can no longer be surprised by it. The bars after it will be the next test window and are "
    "sealed for the same reason. Nothing here is computed on either."
)
SEALED = {
    "test": "it is sealed for exams",
    "forward": "bars after the test window are sealed for the next one",
}


@dataclass(frozen=True)
class Month:
    """The compounded net return of the bars that open in one calendar month (UTC), a fraction."""

    year: int
    month: int
    value: float


@dataclass(frozen=True, eq=False)
class SegmentReport:
    """One segment's backtest beside buy & hold at the same costs; both start flat with equity 1.

    Attributes
    ----------
    name : str
        "train" or "validation".
    bars : Bars
        Of this segment only.
    result, hold : BacktestResult
        Of the strategy and of buy & hold.
    """

    name: str
    bars: Bars
    result: BacktestResult
    hold: BacktestResult

    @cached_property
    def metrics(self) -> dict[str, float | int | None]:
        """Return every metric with the ends of the win rate's 95 % interval (Wilson)."""
        return _with_win_interval(self.result)

    @cached_property
    def hold_metrics(self) -> dict[str, float | int | None]:
        return _with_win_interval(self.hold)

    @cached_property
    def drawdowns(self) -> FloatArray | None:
        """Return equity over its running peak minus 1, shape (n_bars,)."""
        return drawdown_series(self.result.equity)

    @cached_property
    def months(self) -> tuple[Month, ...]:
        return monthly_returns(self.bars.timestamps, self.result.equity)


@dataclass(frozen=True, eq=False)
class BacktestReport:
    """What a backtest of one strategy shows, segment by segment; no number joins two segments."""

    market: Market
    dataset: Dataset
    family: Family
    parameters: dict[str, float]
    costs: Costs
    segments: tuple[SegmentReport, ...]

    @property
    def label(self) -> str:
        if isinstance(self.family, StoredStrategy):
            return self.family.strategy.label
        values = " ".join(f"{name}={value:g}" for name, value in self.parameters.items())
        return f"{self.family.name} {values}".strip()

    @property
    def note(self) -> str:
        """Return which bars chose or trained a stored strategy, "" for a family's parameters as given."""
        return self.family.note if isinstance(self.family, StoredStrategy) else ""


def backtest_strategy(
    market: Market,
    family: str | Family,
    parameters: Mapping[str, Any],
    segment: str = DEFAULT_SEGMENT,
    *,
    fee: float | None = None,
    slippage: float | None = None,
    max_bars: int | None = MAX_BARS,
) -> BacktestReport:
    """Return the backtest of a family's strategy on segments of the market's newest dataset.

    Parameters
    ----------
    market : Market
    family : str or Family
        Name of a registered family, the number of a stored strategy of this market, or a family that is not
        registered, such as frozen patterns.
    parameters : mapping
        Of the family; left-out ones take their defaults.
    segment : str
        "train", "validation", or both joined by "+".
    fee, slippage : float, optional
        Fractions per side, 0..0.1; None takes the market's own.
    max_bars : int or None
        Longest dataset that is taken; None takes any.

    Raises
    ------
    InvalidArgument
        If family, a parameter, a cost or a segment is unknown or out of bounds, a window is not shorter
        than the bars, or there are more than `max_bars` bars.
    NotFound
        If the market has no dataset.

    Notes
    -----
    Three queries, one more for a stored strategy. Positions see the bars up to the end of their own segment, so that indicators are warm
    where validation starts. Bars after the test window are refused as that is: a new test window is cut
    from them, so a result seen on them is a look at a later exam.
    """
    chosen = _chosen_segments(segment)
    known = family if isinstance(family, Family) else _family(market, family)
    costs = _costs(market, fee, slippage)
    for parameter in known.parameters:
        if parameter.name in parameters:
            parameter.check(parameters[parameter.name])
    dataset = query_latest_dataset(market)
    if max_bars is not None and dataset.n_rows > max_bars:
        raise InvalidArgument(
            f"bars should be <= {max_bars:,} here, are {dataset.n_rows:,}; `manage.py backtest` takes any number"
        )
    bars = query_bars(dataset)
    split = query_split(dataset, bars=bars)
    visible = [_visible(bars, split, name) for name in chosen]
    values = known.validate(parameters, min(len(history) for history, _ in visible))
    reports = [
        _report(name, known, values, costs, market.bars_per_year, history, start)
        for name, (history, start) in zip(chosen, visible, strict=True)
    ]
    return BacktestReport(market, dataset, known, values, costs, tuple(reports))


def monthly_returns(timestamps: IntArray, equity: FloatArray) -> tuple[Month, ...]:
    """Return the net return of each calendar month that has bars; together they compound to the total.

    Parameters
    ----------
    timestamps : ndarray of shape (n_bars,), int64
        Bar opens, microseconds UTC, increasing.
    equity : ndarray of shape (n_bars,)
        At the bars' closes; a month runs from the last close before it (the first month from its first
        close) to its own last close. After ruin a month returns 0.
    """
    months = timestamps.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    last = np.append(np.flatnonzero(np.diff(months)), months.shape[0] - 1)
    ends = equity[last]
    before = np.concatenate((equity[:1], ends[:-1]))
    values = np.divide(ends, before, out=np.ones_like(ends), where=before > 0.0) - 1.0
    return tuple(
        Month(1970 + int(month) // 12, int(month) % 12 + 1, float(value))
        for month, value in zip(months[last], values, strict=True)
    )


def drawn_points(values: FloatArray, limit: int = MAX_POINTS) -> IntArray:
    """Return at most `limit` indices that keep the first, the last and each stretch's lowest and highest.

    Shape (n_points,), increasing; every index where there are no more than `limit` values.
    """
    n = int(values.shape[0])
    if n <= limit:
        return np.arange(n, dtype=np.int64)
    edges = np.linspace(0, n, (limit - 2) // 2 + 1).astype(np.int64)
    chosen = [0, n - 1]
    for start, stop in pairwise(edges):
        stretch = values[start:stop]
        chosen += [int(start + stretch.argmin()), int(start + stretch.argmax())]
    return np.unique(np.array(chosen, dtype=np.int64))


def _family(market: Market, name: str) -> Family:
    stored = find_stored(name)
    if stored is not None and stored.strategy.market_id == market.pk:
        return stored
    if name not in families():
        raise InvalidArgument(
            f"strategy should be one of {', '.join(sorted(families()))}, or the number of a stored strategy of "
            f"{market.slug}, is {name[:60]!r}"
        )
    return get_family(name)


def _costs(market: Market, fee: float | None, slippage: float | None) -> Costs:
    return Costs(
        market.fee if fee is None else fee,
        market.slippage if slippage is None else slippage,
    )


def _chosen_segments(text: str) -> list[str]:
    """Return the named segments in time order, or raise InvalidArgument."""
    names = text.split("+")
    for name in names:
        if name in SEALED:
            raise InvalidArgument(f"segment should be train or validation, is {name!r}: {SEALED[name]}")
    if not set(names) <= set(SEGMENTS):
        raise InvalidArgument(f"segment should be train, validation or both joined by +, is {text[:60]!r}")
    return [name for name in SEGMENTS if name in names]


def _visible(bars: Bars, split: Split, name: str) -> tuple[Bars, int]:
    """Return the bars that a segment's positions may see, none of the test window, and where it starts."""
    part: slice = getattr(split, name)
    n_held = part.stop - part.start
    if n_held < 2:
        raise NotEnoughBars(f"{name} should hold >= 2 bars, holds {n_held}")
    return bars[: part.stop], part.start


def _report(
    name: str,
    family: Family,
    values: Mapping[str, float],
    costs: Costs,
    bars_per_year: float,
    history: Bars,
    start: int,
) -> SegmentReport:
    bars = history[start:]
    positions = family.positions(history, values)[start:]
    result = run_backtest(bars, positions, costs, bars_per_year=bars_per_year)
    hold = run_backtest(bars, np.ones(len(bars)), costs, bars_per_year=bars_per_year)
    return SegmentReport(name, bars, result, hold)


def _with_win_interval(result: BacktestResult) -> JSONDict:
    profits = result.trades.closed_profits
    interval = wilson_interval(int((profits > 0.0).sum()), int(profits.shape[0]))
    return result.metrics.as_dict() | {
        "win_rate_low": interval.low if interval else None,
        "win_rate_high": interval.high if interval else None,
    }
