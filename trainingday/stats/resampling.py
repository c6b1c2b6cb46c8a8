"""Intervals without a formula: of a median by order statistics, of a drawdown difference by blocks."""

from __future__ import annotations

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.stats.drawdowns import max_drawdown
from trainingday.stats.ratios import MIN_OBSERVATIONS, Interval
from trainingday.stats.returns import as_series, equity_curve
from trainingday.typing import FloatArray

CHUNK_CELLS = 2_000_000  # resampled bars held at once: 16 MB per array


def median_interval(values: FloatArray, confidence: float = 0.95) -> Interval | None:
    """Return the distribution-free interval of a median, or None with too few values (6 for 95 %).

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Finite and independent.
    confidence : float
        Two-sided coverage, at least.

    Notes
    -----
    The k-th smallest and k-th largest value, k the largest with P(Binomial(n, 1/2) < k) at most half of
    1 - confidence.
    """
    from scipy.special import bdtr

    if not 0.0 < confidence < 1.0:
        raise InvalidArgument(f"confidence should be 0..1, is {confidence}")
    ordered = np.sort(as_series(values, "values"))
    n = int(ordered.shape[0])
    tails = np.asarray(bdtr(np.arange(n, dtype=np.float64), n, 0.5)) if n else np.zeros(0)
    k = int(np.count_nonzero(tails <= (1.0 - confidence) / 2.0))
    return Interval(float(ordered[k - 1]), float(ordered[n - k])) if k else None


def drawdown_difference_interval(
    one: FloatArray,
    other: FloatArray,
    *,
    rng: np.random.Generator,
    n_draws: int = 999,
    block_length: int | None = None,
    confidence: float = 0.95,
) -> tuple[float, Interval] | None:
    """Return the difference of maximum drawdowns, one minus other, with its percentile interval.

    Parameters
    ----------
    one, other : ndarray of shape (n_bars,)
        Per-bar net returns on the same bars, each >= -1.
    rng : numpy.random.Generator
        Source of the block starts; both series take the same blocks.
    n_draws : int
        Draws, >= 99.
    block_length : int, optional
        Bars per block; by default n_bars ** (1/3), rounded.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    tuple of float and Interval, or None
        Positive where `one` falls less deep. None with fewer than 30 bars or an undefined drawdown.
    """
    if n_draws < 99:
        raise InvalidArgument(f"n_draws should be >= 99, is {n_draws}")
    first, second = as_series(one, "one"), as_series(other, "other")
    n_bars = int(first.shape[0])
    depths = [max_drawdown(equity_curve(series)) for series in (first, second)]
    if n_bars < MIN_OBSERVATIONS or depths[0] is None or depths[1] is None:
        return None
    if min(float(first.min()), float(second.min())) < -1.0:
        return None
    length = block_length or max(1, round(n_bars ** (1.0 / 3.0)))
    if not 1 <= length <= n_bars:
        raise InvalidArgument(f"block_length should be 1..{n_bars}, is {length}")
    draws = []
    chunk = max(1, CHUNK_CELLS // n_bars)
    for done in range(0, n_draws, chunk):
        bars = _block_bars(n_bars, length, min(chunk, n_draws - done), rng)
        draws.append(_depths(first[bars]) - _depths(second[bars]))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(np.concatenate(draws), [tail, 1.0 - tail])
    return depths[0] - depths[1], Interval(float(low), float(high))


def _block_bars(n_bars: int, length: int, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    n_blocks = -(-n_bars // length)
    starts = rng.integers(n_bars, size=(n_draws, n_blocks, 1))
    bars = (starts + np.arange(length)) % n_bars
    return bars.reshape(n_draws, -1)[:, :n_bars]


def _depths(returns: FloatArray) -> FloatArray:
    # In logarithms, no resample of any finite returns overflows.
    with np.errstate(divide="ignore"):
        equity = np.cumsum(np.log1p(returns), axis=1)
    peaks = np.maximum(np.maximum.accumulate(equity, axis=1), 0.0)
    depths: FloatArray = np.expm1((equity - peaks).min(axis=1))
    return depths
