"""Compile every kernel into numba's cache on disk, so that no later process pays for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trainingday.backtest import indicators
from trainingday.backtest.channels import channel_positions_nb
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.masks import pack_positions_nb, unpack_positions_nb
from trainingday.backtest.overlays import DrawdownStop, StopLoss, VolatilityTarget
from trainingday.backtest.population import score_population
from trainingday.backtest.thresholds import symmetric, threshold_positions_nb
from trainingday.bars import Bars
from trainingday.typing import FloatArray

N_BARS = 256
COSTS = Costs()


def warm() -> None:
    """Run every kernel once on a small market, with the argument types that callers use.

    Notes
    -----
    Numba keys its cache by source file, argument types and CPU: a changed file or another machine
    compiles anew, and this may then be called again. Safe in several processes at once.
    """
    bars = small_market(N_BARS)
    positions = np.sign(np.sin(np.arange(N_BARS) / 7.0))
    run_backtest(bars, positions, COSTS, bars_per_year=365.0)
    run_backtest(bars, positions / 2, COSTS, bars_per_year=365.0, funding=np.zeros(N_BARS))
    for overlay in (StopLoss(), DrawdownStop(), VolatilityTarget(window=20)):
        overlay.apply(bars, positions)
    _warm_indicators(bars)
    for family in (_Positions(), _Thresholds(), _Channels()):
        score_population(bars, family, np.zeros((2, 0)), COSTS, [slice(None)], bars_per_year=365.0)


def small_market(n_bars: int) -> Bars:
    """Return made-up bars of a minute, a sine without volume."""
    close = 100.0 + 5.0 * np.sin(np.arange(n_bars) / 9.0)
    open_ = np.concatenate((close[:1], close[:-1]))
    stamps = 60_000_000 * np.arange(n_bars, dtype=np.int64)
    return Bars.create(stamps, open_, np.maximum(open_, close), np.minimum(open_, close), close)


def _warm_indicators(bars: Bars) -> None:
    high, low, close = bars.high, bars.low, bars.close
    indicators.momentum_nb(close, 5)
    indicators.rolling_mean_nb(close, 5)
    indicators.rolling_deviation_nb(close, 5)
    indicators.z_score_nb(close, 5)
    indicators.exponential_mean_nb(close, 5)
    indicators.wilder_mean_nb(close, 5)
    indicators.true_range_nb(high, low, close)
    indicators.average_true_range_nb(high, low, close, 5)
    indicators.channel_distance_nb(high, low, close, 5)
    indicators.relative_strength_nb(close, 5)
    indicators.macd_histogram_nb(close, 3, 6, 4)
    indicators.log_returns_nb(close)
    indicators.volatility_nb(close, 5)
    indicators.calm_distance_nb(close, bars.log_returns, 5, 3, 6, 1.0)
    indicators.highest_before_nb(high, 5)
    indicators.lowest_before_nb(low, 5)
    since_high = indicators.bars_since_as_high_nb(high, close)
    since_low = indicators.bars_since_as_low_nb(low, close)
    positions = channel_positions_nb(since_high, since_low, 5.0, 3.0)
    threshold_positions_nb(close, 1.0, 0.0, -1.0, 0.0)
    words = np.zeros((2, N_BARS // 64), dtype=np.uint64)
    pack_positions_nb(positions, words[0], words[1])
    unpack_positions_nb(words[0], words[1], positions)


class _Positions:
    """A family without parameters that alternates."""

    parameters: tuple[()] = ()

    def validate_table(self, table: FloatArray, n_bars: int) -> FloatArray:
        return table

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
        return np.sign(np.sin(np.arange(len(bars)) / 7.0))


class _Thresholds(_Positions):
    """The same by thresholds, one candidate memoryless and one latched."""

    indicator_parameters: tuple[str, ...] = ()

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        return bars.close - 100.0

    def first_bar_read(self, settings: Sequence[float], bar: int) -> int | None:
        return bar

    def thresholds(self, table: FloatArray) -> FloatArray:
        return symmetric(enter=np.ones(table.shape[0]), leave=np.linspace(0.0, 1.0, table.shape[0]))


class _Channels(_Positions):
    """The same by channels."""

    def since_extremes(self, bars: Bars) -> tuple[FloatArray, FloatArray]:
        since = indicators.bars_since_as_high_nb(bars.high, bars.close)
        return since, since

    def channels(self, table: FloatArray) -> FloatArray:
        return np.full((table.shape[0], 2), 5.0)
