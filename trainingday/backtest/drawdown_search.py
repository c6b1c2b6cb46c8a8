"""The deepest drawdown over many holds: bounds from blocks first, bars only where those leave it open."""

from __future__ import annotations

from numba import njit

from trainingday.backtest.market_tables import enclosing_level_nb
from trainingday.typing import FloatArray, IntArray

_BLOCK_LEVEL = 6
_BLOCK = 1 << _BLOCK_LEVEL


@njit(cache=True, nogil=True, inline="always")
def lesser_nb(a: float, b: float) -> float:
    """Return the smaller of two numbers; unlike `min` it compiles to one instruction."""
    return a if a < b else b


@njit(cache=True, nogil=True, inline="always")
def greater_nb(a: float, b: float) -> float:
    """Return the larger of two numbers."""
    return a if a > b else b


@njit(cache=True, nogil=True)
def _walk_bars_nb(
    close: FloatArray, first: int, stop: int, cash: float, units: float, peak: float, lowest: float
) -> tuple[float, float]:
    for bar in range(first, stop):
        equity = cash + units * close[bar]
        if equity > peak:
            peak = equity
        elif equity < peak * lowest:
            lowest = equity / peak
    return peak, lowest


@njit(cache=True, nogil=True)
def walk_hold_nb(
    close: FloatArray,
    extremes: FloatArray,
    offsets: IntArray,
    first: int,
    stop: int,
    cash: float,
    units: float,
    peak: float,
    lowest: float,
) -> tuple[float, float]:
    """Return the peak, and equity over peak at its lowest, after the closes first..stop-1.

    Notes
    -----
    A whole block of 64 bars whose extremes move only one of the two, or neither, is not walked.
    """
    bar = first
    while bar < stop:
        end = min((bar | (_BLOCK - 1)) + 1, stop)
        if end - bar == _BLOCK:
            row = offsets[_BLOCK_LEVEL] + (bar >> _BLOCK_LEVEL)
            at_low, at_high = cash + units * extremes[row, 0], cash + units * extremes[row, 1]
            worst, best = lesser_nb(at_low, at_high), greater_nb(at_low, at_high)
            is_deeper = worst < peak * lowest
            if not (best > peak and worst < best * lowest):
                peak = greater_nb(peak, best)
                lowest = worst / peak if is_deeper else lowest
                bar = end
                continue
        peak, lowest = _walk_bars_nb(close, bar, end, cash, units, peak, lowest)
        bar = end
    return peak, lowest


@njit(cache=True, nogil=True)
def search_holds_nb(
    close: FloatArray,
    extremes: FloatArray,
    offsets: IntArray,
    bars: IntArray,
    cash: FloatArray,
    units: FloatArray,
    n_holds: int,
    peak: float,
    lowest: float,
) -> tuple[float, float]:
    """Return the peak of equity, and equity over peak at its lowest, after `n_holds` consecutive holds.

    Parameters
    ----------
    close, extremes, offsets : ndarray
        Closes, and the tables of `block_extremes_nb`.
    bars : ndarray of shape (>= n_holds + 1,), int64
        Hold i has the closes bars[i]..bars[i + 1] - 1.
    cash, units : ndarray of shape (>= n_holds,)
        Its equity is cash + units * close.
    peak, lowest : float
        The peak before, and a ratio of equity to peak known to have happened before or within these
        holds; the nearer it is to the lowest, the fewer holds must be walked.

    Notes
    -----
    Exact. Zero or less means ruin; a drawdown, this minus 1, is rounded to -1 long before that.
    """
    floor = peak * lowest
    for hold in range(n_holds):
        first, stop = bars[hold], bars[hold + 1]
        level = enclosing_level_nb(stop - first)
        row = offsets[level] + (first >> level)
        low = lesser_nb(extremes[row, 0], extremes[row + 1, 0])
        high = greater_nb(extremes[row, 1], extremes[row + 1, 1])
        at_low, at_high = cash[hold] + units[hold] * low, cash[hold] + units[hold] * high
        if lesser_nb(at_low, at_high) < floor or greater_nb(at_low, at_high) > peak:
            peak, lowest = walk_hold_nb(
                close, extremes, offsets, first, stop, cash[hold], units[hold], peak, lowest
            )
            floor = peak * lowest
    return peak, lowest
