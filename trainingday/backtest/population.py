"""Score thousands of candidates of one family in one call, equal to one backtest each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import numpy as np

from trainingday.backtest import fills, market_tables
from trainingday.backtest import population_kernels as kernels
from trainingday.backtest.engine import Costs, check_bars, check_positions, run_backtest
from trainingday.backtest.masks import WORD_BITS, pack_positions_nb
from trainingday.backtest.result import Metrics, compute_metrics
from trainingday.backtest.thresholds import ENTER_LONG, ENTER_SHORT
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.stats.ratios import MIN_OBSERVATIONS
from trainingday.stats.returns import check_bars_per_year
from trainingday.typing import FloatArray, IntArray

# Below these the one-pass variance has lost digits, and the ledger's two-pass one decides.
MIN_VARIANCE_SHARE = 1e-4
MIN_DEVIATION = 1e-9

# Bars that all candidates pass over before the next ones are read: 0.4 MB for each array of them.
STRETCH_BARS = 4 * fills.TILE_BARS


class Named(Protocol):
    """Anything with a name, such as a parameter of a family."""

    @property
    def name(self) -> str: ...


class ScorableFamily(Protocol):
    """What `score_population` needs of a family; `strategies.library.base.Family` has it."""

    @property
    def parameters(self) -> Sequence[Named]: ...

    def validate_table(self, table: FloatArray, n_bars: int) -> FloatArray: ...

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray: ...


@runtime_checkable
class ThresholdScorable(Protocol):
    """A family that is one indicator and thresholds, so that candidates share indicators."""

    @property
    def indicator_parameters(self) -> Sequence[str]: ...

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray: ...

    def first_bar_read(self, settings: Sequence[float], bar: int) -> int | None: ...

    def thresholds(self, table: FloatArray) -> FloatArray: ...


@runtime_checkable
class ChannelScorable(Protocol):
    """A family of price channels, in which all candidates share two arrays."""

    def since_extremes(self, bars: Bars) -> tuple[FloatArray, FloatArray]: ...

    def channels(self, table: FloatArray) -> FloatArray: ...


@dataclass(frozen=True, eq=False)
class Scores:
    """Metrics of many candidates, defined as in `Metrics`; NaN stands for undefined.

    Every array has shape (n_candidates,), or (n_candidates, n_folds) where several segments were given.
    """

    sharpe_ratio: FloatArray
    total_return: FloatArray
    max_drawdown: FloatArray
    win_rate: FloatArray
    n_trades: IntArray
    profit_factor: FloatArray
    expectancy: FloatArray
    exposure: FloatArray
    turnover: FloatArray
    costs_paid: FloatArray

    def __len__(self) -> int:
        return int(self.n_trades.shape[0])


def score_population(
    bars: Bars,
    family: ScorableFamily,
    parameters: FloatArray,
    costs: Costs,
    segment: slice | Sequence[slice] = slice(None),
    *,
    bars_per_year: float,
) -> Scores:
    """Return the metrics of every candidate, as `run_backtest` of its positions would give them.

    Parameters
    ----------
    bars : Bars
        All bars: those before a segment warm the indicators up.
    family : ScorableFamily
        Makes positions; families of one indicator and thresholds, or of channels, are scored fastest.
    parameters : ndarray of shape (n_candidates, n_parameters)
        In the order of `family.parameters`.
    costs : Costs
        Fee and slippage per side.
    segment : slice or sequence of slices
        Bars to score, step 1. Positions are decided on all bars up to their own; each segment starts flat
        with an equity of 1.
    bars_per_year : float
        For the Sharpe ratio and the turnover, > 0.

    Returns
    -------
    Scores
        Equal to `run_backtest(bars[segment], positions[segment], costs).metrics` to 1e-10 relative.

    Raises
    ------
    InvalidArgument
        If a parameter, segment, bar or cost is out of bounds.

    Notes
    -----
    No array of bars times candidates exists: memory grows by 136 bytes per candidate and segment.
    Deterministic: no threads, and sums in a fixed order.
    """
    check_bars(bars)
    check_bars_per_year(bars_per_year)
    table = family.validate_table(parameters, len(bars))
    folds = _folds(segment, len(bars))
    sums = np.empty((table.shape[0], folds.shape[0], fills.N_ACCOUNT))
    kernels.open_accounts_nb(folds, sums)
    market = _Market(bars, costs, folds)
    if isinstance(family, ThresholdScorable):
        _score_thresholds(market, family, table, [parameter.name for parameter in family.parameters], sums)
    elif isinstance(family, ChannelScorable):
        _score_channels(market, family, table, sums)
    else:
        _score_positions(market, family, table, sums)
    scores = _finish(sums, folds, bars_per_year)
    for candidate, fold in _doubtful(sums, folds):
        positions = family.compute_positions(bars, _values(family, table[candidate]))
        metrics = _ledger_metrics(market, positions, fold, bars_per_year)
        for name, column in scores.items():
            column[candidate, fold] = _number(getattr(metrics, name))
    n_trades = scores.pop("n_trades").astype(np.int64)
    shape = (len(table),) if isinstance(segment, slice) else (len(table), len(folds))
    return Scores(
        n_trades=n_trades.reshape(shape), **{name: score.reshape(shape) for name, score in scores.items()}
    )


class _Market:
    """Bars prepared once for all candidates."""

    def __init__(self, bars: Bars, costs: Costs, folds: IntArray) -> None:
        self.bars, self.costs, self.folds = bars, costs, folds
        close = np.ascontiguousarray(bars.close)
        offsets = market_tables.level_offsets_nb(len(bars))
        self.tables = fills.Market(
            market_tables.market_rows_nb(bars.open, close),
            market_tables.padded_nb(close),
            market_tables.block_extremes_nb(close, offsets),
            offsets,
            float(costs.fee),
            float(costs.slippage),
        )
        self.n_words = (len(bars) + WORD_BITS - 1) // WORD_BITS


def _folds(segment: slice | Sequence[slice], n_bars: int) -> IntArray:
    slices = [segment] if isinstance(segment, slice) else list(segment)
    if not slices:
        raise InvalidArgument("segment should hold at least 1 slice, holds 0")
    folds = np.empty((len(slices), 2), dtype=np.int64)
    for row, part in enumerate(slices):
        start, stop, step = part.indices(n_bars)
        if step != 1 or stop <= start:
            raise InvalidArgument(f"segment should hold at least 1 of {n_bars} bars with step 1, is {part}")
        folds[row] = start, stop
    return folds


def _score_thresholds(
    market: _Market, family: ThresholdScorable, table: FloatArray, names: Sequence[str], sums: FloatArray
) -> None:
    thresholds = np.ascontiguousarray(family.thresholds(table), dtype=np.float64)
    overlapping = thresholds[:, ENTER_SHORT] > thresholds[:, ENTER_LONG]
    if overlapping.any():
        row = thresholds[overlapping.argmax()]
        raise InvalidArgument(
            f"threshold for short should be <= that for long, {row[ENTER_LONG]}, is {row[ENTER_SHORT]}"
        )
    columns = [names.index(name) for name in family.indicator_parameters]
    groups, n_bars = list(_groups(table[:, columns])), len(market.bars)
    states, had_number = np.zeros((len(table), 2), dtype=np.uint64), [False] * len(groups)
    is_cut = bool(groups) and family.first_bar_read(groups[0][0], 0) is not None
    for start in range(0, n_bars, STRETCH_BARS if is_cut else n_bars):
        stop = min(start + STRETCH_BARS, n_bars) if is_cut else n_bars
        for group, (settings, members) in enumerate(groups):
            begin = family.first_bar_read(settings, start) or 0
            found = family.indicator(market.bars[begin:stop], settings)
            indicator = _checked("indicator", found, stop - begin)[start - begin :]
            had_number[group] = kernels.score_thresholds_nb(
                market.tables,
                indicator,
                start,
                had_number[group],
                thresholds,
                members,
                market.folds,
                states,
                sums,
            )


def _score_channels(market: _Market, family: ChannelScorable, table: FloatArray, sums: FloatArray) -> None:
    n_bars = len(market.bars)
    high, low = (_checked("since_extremes", part, n_bars) for part in family.since_extremes(market.bars))
    channels = np.ascontiguousarray(family.channels(table), dtype=np.float64)
    kernels.score_channels_nb(market.tables, high, low, channels, market.folds, sums)


def _checked(name: str, values: FloatArray, n_bars: int) -> FloatArray:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.shape != (n_bars,):
        raise InvalidArgument(f"{name} should have shape ({n_bars},), has {array.shape}")
    return array


def _groups(settings: FloatArray) -> Iterator[tuple[list[float], IntArray]]:
    """Yield each distinct row with the candidates that have it, in ascending order."""
    if settings.shape[1] == 0 or settings.shape[0] == 0:
        if settings.shape[0]:
            yield [], np.arange(settings.shape[0])
        return
    distinct, inverse = np.unique(settings, axis=0, return_inverse=True)
    by_group = np.argsort(inverse, kind="stable")
    ends = np.cumsum(np.bincount(inverse, minlength=len(distinct)))
    for row, members in zip(distinct, np.split(by_group, ends[:-1]), strict=True):
        yield [float(setting) for setting in row], members


def _score_positions(market: _Market, family: ScorableFamily, table: FloatArray, sums: FloatArray) -> None:
    """Score positions of each distinct candidate; those that are fractions are left to the ledger."""
    longs = np.empty(market.n_words, dtype=np.uint64)
    shorts = np.empty(market.n_words, dtype=np.uint64)
    for row, members in _groups(table):
        positions = family.compute_positions(market.bars, _values(family, row))
        targets = check_positions(positions, len(market.bars))
        first = int(members[0])
        if pack_positions_nb(targets, longs, shorts):
            kernels.score_bits_nb(market.tables, longs, shorts, market.folds, sums[first])
        else:
            sums[first, :, fills.NEEDS_LEDGER] = 1.0
        sums[members] = sums[first]


def _values(family: ScorableFamily, row: Iterable[float]) -> dict[str, float]:
    return {p.name: float(value) for p, value in zip(family.parameters, row, strict=True)}


def _variance(sums: FloatArray, n_returns: IntArray) -> FloatArray:
    squares = sums[:, :, fills.RETURN_SQUARES]
    return (squares - sums[:, :, fills.RETURN_SUM] ** 2 / n_returns) / np.maximum(n_returns - 1, 1)


def _finish(sums: FloatArray, folds: IntArray, bars_per_year: float) -> dict[str, FloatArray]:
    """Return the arrays of `Scores` by name, shape (n_candidates, n_folds)."""
    n_bars = folds[:, 1] - folds[:, 0]
    n_returns = np.maximum(n_bars - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(_variance(sums, n_returns))
        sharpe = sums[:, :, fills.RETURN_SUM] / n_returns / deviation * math.sqrt(bars_per_year)
        n_closed, lost = sums[:, :, fills.N_CLOSED], sums[:, :, fills.LOST]
        profit = sums[:, :, fills.WON] - lost
        return {
            "sharpe_ratio": np.where((n_bars > MIN_OBSERVATIONS) & (deviation > 0), sharpe, np.nan),
            "total_return": np.where(n_bars > 1, sums[:, :, fills.FINAL_EQUITY] - 1.0, np.nan),
            "max_drawdown": sums[:, :, fills.LOWEST] - 1.0,
            "win_rate": sums[:, :, fills.N_WON] / n_closed,
            "n_trades": n_closed.copy(),
            "profit_factor": np.where(lost > 0, sums[:, :, fills.WON] / lost, np.nan),
            "expectancy": profit / n_closed,
            "exposure": sums[:, :, fills.HELD] / n_bars,
            "turnover": np.where(n_bars > 1, sums[:, :, fills.TRADED] * bars_per_year / n_returns, np.nan),
            "costs_paid": sums[:, :, fills.COSTS].copy(),
        }


def _doubtful(sums: FloatArray, folds: IntArray) -> list[tuple[int, int]]:
    """Return (candidate, fold) pairs whose closed forms may have lost digits or do not hold."""
    n_returns = np.maximum(folds[:, 1] - folds[:, 0] - 1, 1)
    squares = sums[:, :, fills.RETURN_SQUARES]
    spread = _variance(sums, n_returns)
    is_thin = (squares > 0) & (
        (spread * n_returns < MIN_VARIANCE_SHARE * squares) | (spread < MIN_DEVIATION**2)
    )
    is_odd = (sums[:, :, fills.NEEDS_LEDGER] > 0) | ~np.isfinite(sums).all(axis=2)
    return [(int(row), int(column)) for row, column in np.argwhere(is_thin | is_odd)]


def _ledger_metrics(market: _Market, positions: FloatArray, fold: int, bars_per_year: float) -> Metrics:
    window = slice(int(market.folds[fold, 0]), int(market.folds[fold, 1]))
    result = run_backtest(market.bars[window], positions[window], market.costs, bars_per_year=bars_per_year)
    return compute_metrics(result, with_interval=False)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


SCORE_NAMES = tuple(field.name for field in fields(Scores))
