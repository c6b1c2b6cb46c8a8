"""Drawdowns of an equity curve: non-positive fractions below the running peak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainingday.stats.returns import as_series
from trainingday.typing import FloatArray, IntArray


@dataclass(frozen=True)
class Drawdown:
    """One fall of an equity curve from a peak.

    Attributes
    ----------
    depth : float
        Trough over peak minus 1, a fraction <= 0.
    peak_bar, trough_bar : int
        Index of the peak before the fall and of its lowest point.
    recovery_bar : int or None
        First bar back at or above the peak; None where the series ends under water.
    n_bars : int
        Bars from the peak to the recovery, or to the last bar.
    """

    depth: float
    peak_bar: int
    trough_bar: int
    recovery_bar: int | None
    n_bars: int


def drawdown_series(equity: FloatArray) -> FloatArray | None:
    """Return equity over its running peak minus 1, shape (n_bars,), or None where undefined.

    Parameters
    ----------
    equity : ndarray of shape (n_bars,)
        Equity in money, first value > 0. Zero (ruin) is allowed and gives -1.

    Notes
    -----
    None for empty or non-finite equity, or where the first value is not > 0.
    """
    series = as_series(equity, "equity")
    if series.shape[0] == 0 or not np.isfinite(series).all() or series[0] <= 0:
        return None
    with np.errstate(over="ignore"):
        falls = series / np.maximum.accumulate(series) - 1.0
    return falls if np.isfinite(falls).all() else None


def max_drawdown(equity: FloatArray) -> float | None:
    """Return the deepest fall below a running peak, a fraction <= 0, or None where undefined."""
    falls = drawdown_series(equity)
    return None if falls is None else float(falls.min())


def deepest_drawdown(equity: FloatArray) -> Drawdown | None:
    """Return the deepest drawdown with its bars; depth 0 and 0 bars where equity never falls.

    Returns None where `drawdown_series` does. Of equally deep ones it is the first.
    """
    falls = drawdown_series(equity)
    if falls is None:
        return None
    trough = int(falls.argmin())
    if falls[trough] == 0.0:
        return Drawdown(0.0, 0, 0, 0, 0)
    peak = int(np.flatnonzero(falls[:trough] == 0.0)[-1])
    later = np.flatnonzero(falls[trough:] == 0.0)
    recovery = trough + int(later[0]) if later.size else None
    last = falls.shape[0] - 1 if recovery is None else recovery
    return Drawdown(float(falls[trough]), peak, trough, recovery, last - peak)


def max_drawdown_bars(equity: FloatArray) -> int | None:
    """Return the bars from the peak of the deepest drawdown to its recovery, or to the last bar."""
    deepest = deepest_drawdown(equity)
    return None if deepest is None else deepest.n_bars


def longest_drawdown_bars(equity: FloatArray) -> int | None:
    """Return the longest time under water in bars, peak to recovery or to the last bar."""
    falls = drawdown_series(equity)
    if falls is None:
        return None
    at_peak: IntArray = np.flatnonzero(falls == 0.0)
    # Adjacent peaks are one bar apart and mean no time under water.
    gaps = np.diff(at_peak)
    longest = int(gaps[gaps > 1].max(initial=0))
    unfinished = int(falls.shape[0] - 1 - at_peak[-1])
    return max(longest, unfinished)
