"""Regimes: how wild, busy, steep and high the market is at each bar, in terciles of the train segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from patterns.discovery.pattern import RegimeCuts
from trainingday.backtest.indicators import highest_before_nb, lowest_before_nb
from trainingday.bars import Bars
from trainingday.typing import BoolArray, FloatArray

RegimeArray = NDArray[np.int8]
VOLATILITY_BARS = 50
VOLUME_BARS = 50
LONG_VOLUME_BARS = 500
LONG_PRICE_BARS = 120  # longer than the usual word: what came before its shape
NO_REGIME = -1


@dataclass(frozen=True, eq=False)
class MarketState:
    """What is known of the market at each bar's close, computed when it is first asked for."""

    bars: Bars

    @cached_property
    def volatility(self) -> FloatArray:
        """Return the standard deviation (ddof 1) of the last 50 log returns of closes, fraction per bar.

        NaN where they are not all there, cross a gap, or do not vary.
        """
        return trailing_volatility(self.bars)

    @cached_property
    def volume(self) -> FloatArray:
        """Return the mean volume of the last 50 bars over that of the last 500, at least 50 of them.

        Relative, because volume drifts over years and its regimes must still occur on later bars.
        """
        return relative_volume(self.bars)

    @cached_property
    def trend(self) -> FloatArray:
        """Return the log return of the last 120 bars over volatility x sqrt(120).

        NaN where they are not all there or cross a gap, or volatility is undefined.
        """
        return trailing_trend(self.bars, self.volatility)

    @cached_property
    def place(self) -> FloatArray:
        """Return the close's place between the lowest low, 0, and the highest high, 1, of 120 bars.

        NaN where they are not all there, cross a gap, or hold one price only.
        """
        return place_in_range(self.bars)


def trailing_volatility(bars: Bars, n_returns: int = VOLATILITY_BARS) -> FloatArray:
    """Return the standard deviation (ddof 1) of the last `n_returns` log returns, shape (n_bars,)."""
    volatility = np.full(len(bars), np.nan)
    _volatility_nb(np.log(bars.close), np.ascontiguousarray(bars.gap_before), n_returns, volatility)
    return volatility


def relative_volume(bars: Bars) -> FloatArray:
    """Return the short-term over the long-term mean volume at each bar, shape (n_bars,)."""
    ratio = np.full(len(bars), np.nan)
    _relative_volume_nb(np.ascontiguousarray(bars.volume), VOLUME_BARS, LONG_VOLUME_BARS, ratio)
    return ratio


def trailing_trend(bars: Bars, volatility: FloatArray, n_bars: int = LONG_PRICE_BARS) -> FloatArray:
    """Return the log return of the last `n_bars` bars in units of volatility, shape (n_bars,)."""
    trend = np.full(len(bars), np.nan)
    log_close = np.log(bars.close)
    trend[n_bars:] = (log_close[n_bars:] - log_close[:-n_bars]) / (volatility[n_bars:] * np.sqrt(n_bars))
    trend[_crosses_gap(bars, n_bars + 1)] = np.nan
    return trend


def place_in_range(bars: Bars, n_bars: int = LONG_PRICE_BARS) -> FloatArray:
    """Return where the close lies within the range of the last `n_bars` bars, shape (n_bars,)."""
    high = np.maximum(highest_before_nb(bars.high, n_bars - 1), bars.high)
    low = np.minimum(lowest_before_nb(bars.low, n_bars - 1), bars.low)
    with np.errstate(invalid="ignore", divide="ignore"):
        place: FloatArray = (bars.close - low) / (high - low)
    place[_crosses_gap(bars, n_bars) | ~(high > low)] = np.nan
    return place


def _crosses_gap(bars: Bars, n_bars: int) -> BoolArray:
    """Return whether bars are missing within the last `n_bars` bars of each, shape (n_bars,)."""
    n_gaps = np.cumsum(bars.gap_before, dtype=np.int64)
    earlier = np.concatenate([np.zeros(n_bars - 1, dtype=np.int64), n_gaps])[: len(bars)]
    crosses: BoolArray = n_gaps != earlier
    return crosses


def tercile_cuts(
    state: MarketState,
    train: slice,
    names: Sequence[str] = ("volatility", "volume"),
    *,
    has_volume: bool = True,
) -> RegimeCuts:
    """Return the terciles of the named features on train; None for one that has no spread there."""
    wanted = [name for name in names if has_volume or name != "volume"]
    bounds = {name: _terciles(getattr(state, name)[train]) for name in wanted}
    return RegimeCuts(**({"volatility": None, "volume": None} | bounds))


def classify(values: FloatArray, cuts: tuple[float, float] | None) -> RegimeArray:
    """Return the regime 0, 1 or 2 of each value, -1 where undefined; ndarray of shape (n_bars,), int8."""
    regimes = np.full(values.shape[0], NO_REGIME, dtype=np.int8)
    if cuts is not None:
        known = np.isfinite(values)
        regimes[known] = (values[known] > cuts[0]).astype(np.int8) + (values[known] > cuts[1])
    return regimes


def _terciles(values: FloatArray) -> tuple[float, float] | None:
    known = values[np.isfinite(values)]
    if known.size < 3:
        return None
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    return (float(low), float(high)) if low < high else None


@njit(cache=True, nogil=True, error_model="numpy")
def _volatility_nb(log_close, gap_before, n_returns, volatility):  # type: ignore[no-untyped-def]
    """Rolling sums, started afresh every 1,000 bars so that rounding does not add up."""
    total, squares = 0.0, 0.0
    last_gap, last_change = 0, 0
    for bar in range(1, log_close.shape[0]):
        if gap_before[bar]:
            last_gap = bar
        move = log_close[bar] - log_close[bar - 1]
        if move != 0.0:
            last_change = bar
        if bar <= n_returns or bar % 1000 == 0:
            total, squares = 0.0, 0.0
            for past in range(max(1, bar - n_returns + 1), bar + 1):
                step = log_close[past] - log_close[past - 1]
                total += step
                squares += step * step
        else:
            old = log_close[bar - n_returns] - log_close[bar - n_returns - 1]
            total += move - old
            squares += move * move - old * old
        spread = squares - total * total / n_returns
        is_full = bar - n_returns >= last_gap
        # A spread below rounding is a straight or constant line: nothing to divide by.
        if is_full and last_change > bar - n_returns and spread > 1e-9 * squares and squares > 1e-24:
            volatility[bar] = np.sqrt(spread / (n_returns - 1))


@njit(cache=True, nogil=True, error_model="numpy")
def _relative_volume_nb(volume, short, long, ratio):  # type: ignore[no-untyped-def]
    recent, past = 0.0, 0.0
    for bar in range(volume.shape[0]):
        if bar % 1000 == 0:
            recent, past = 0.0, 0.0
            for other in range(max(0, bar - long + 1), bar + 1):
                past += volume[other]
                if other > bar - short:
                    recent += volume[other]
        else:
            recent += volume[bar] - (volume[bar - short] if bar >= short else 0.0)
            past += volume[bar] - (volume[bar - long] if bar >= long else 0.0)
        n_past = min(bar + 1, long)
        if bar + 1 >= short and past > 1e-12 * volume[bar] and past > 0.0:
            ratio[bar] = max(recent, 0.0) / short / (past / n_past)
