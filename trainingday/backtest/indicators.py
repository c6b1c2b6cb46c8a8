"""Indicators of past and present bars; NaN before the first bar that has its whole window."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from trainingday.typing import FloatArray

# A deviation below this share of the price level is rounding, not movement.
MIN_RELATIVE_DEVIATION = 1e-8


@njit(cache=True, nogil=True, error_model="numpy")
def momentum_nb(values: FloatArray, lookback: int) -> FloatArray:
    """Return values[t] / values[t - lookback] - 1, shape (n_bars,)."""
    out = np.empty(values.shape[0])
    out[:lookback] = np.nan
    # Slices from 0 on, so that four bars are divided at once.
    later, found = values[lookback:], out[lookback:]
    earlier = values[: found.shape[0]]
    for bar in range(found.shape[0]):
        found[bar] = later[bar] / earlier[bar] - 1.0
    return out


@njit(cache=True, nogil=True)
def rolling_mean_nb(values: FloatArray, window: int) -> FloatArray:
    """Return the mean of the last `window` values, shape (n_bars,)."""
    return _rolling_moments_nb(values, window)[0]


@njit(cache=True, nogil=True)
def rolling_deviation_nb(values: FloatArray, window: int) -> FloatArray:
    """Return the standard deviation (ddof 0) of the last `window` values, shape (n_bars,)."""
    return np.sqrt(_rolling_moments_nb(values, window)[1])


@njit(cache=True, nogil=True, error_model="numpy")
def _rolling_moments_nb(values: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance (ddof 0) of the last `window` values, each of shape (n_bars,)."""
    n_bars = values.shape[0]
    means, variances = np.empty(n_bars), np.empty(n_bars)
    means[: window - 1] = np.nan
    variances[: window - 1] = np.nan
    weight = 1.0 / window
    # Start anew every `window` bars around a nearby value: running sums lose digits otherwise.
    for start in range(window - 1, n_bars, window):
        centre = values[start]
        total, squares = 0.0, 0.0
        for bar in range(start - window + 1, start + 1):
            step = values[bar] - centre
            total += step
            squares += step * step
        stop = min(start + window, n_bars)
        for bar in range(start, stop):
            if bar > start:
                new, old = values[bar] - centre, values[bar - window] - centre
                total += new - old
                squares += new * new - old * old
            mean = total * weight
            variance = squares * weight - mean * mean
            means[bar] = centre + mean
            variances[bar] = variance if variance > 0.0 else 0.0
    return means, variances


@njit(cache=True, nogil=True, error_model="numpy")
def z_score_nb(values: FloatArray, window: int) -> FloatArray:
    """Return (value - mean) / deviation (ddof 0) of the last `window` values; 0 where they are constant."""
    means, variances = _rolling_moments_nb(values, window)
    out = np.empty(values.shape[0])
    for bar in range(values.shape[0]):
        deviation = math.sqrt(variances[bar])
        score = (values[bar] - means[bar]) / deviation
        # Written so that NaN, the warm-up, stays NaN.
        out[bar] = 0.0 if deviation <= MIN_RELATIVE_DEVIATION * abs(means[bar]) else score
    return out


@njit(cache=True, nogil=True)
def exponential_mean_nb(values: FloatArray, window: int) -> FloatArray:
    """Return the exponential mean with weight 2 / (window + 1), seeded with the first window's mean.

    Notes
    -----
    Leading NaN are skipped, so that it can be applied to another indicator.
    """
    return _smooth_nb(values, window, 2.0 / (window + 1.0))


@njit(cache=True, nogil=True)
def wilder_mean_nb(values: FloatArray, window: int) -> FloatArray:
    """Return Wilder's smoothed mean: weight 1 / window, seeded with the first window's mean."""
    return _smooth_nb(values, window, 1.0 / window)


@njit(cache=True, nogil=True)
def _smooth_nb(values: FloatArray, window: int, weight: float) -> FloatArray:
    n_bars = values.shape[0]
    out = np.empty(n_bars)
    first = 0
    while first < n_bars and np.isnan(values[first]):
        first += 1
    seed_bar = first + window - 1
    out[: min(seed_bar, n_bars)] = np.nan
    if seed_bar >= n_bars:
        return out
    level = 0.0
    for bar in range(first, seed_bar + 1):
        level += values[bar]
    level /= window
    out[seed_bar] = level
    keep = 1.0 - weight
    for bar in range(seed_bar + 1, n_bars):
        level = keep * level + weight * values[bar]
        out[bar] = level
    return out


@njit(cache=True, nogil=True)
def true_range_nb(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Return Wilder's true range, shape (n_bars,); NaN on the first bar, which has no previous close."""
    out = np.full(close.shape[0], np.nan)
    for bar in range(1, close.shape[0]):
        before = close[bar - 1]
        top = high[bar] if high[bar] > before else before
        out[bar] = top - (low[bar] if low[bar] < before else before)
    return out


@njit(cache=True, nogil=True)
def average_true_range_nb(high: FloatArray, low: FloatArray, close: FloatArray, window: int) -> FloatArray:
    """Return Wilder's average true range (1978), shape (n_bars,)."""
    return wilder_mean_nb(true_range_nb(high, low, close), window)


@njit(cache=True, nogil=True, error_model="numpy")
def channel_distance_nb(high: FloatArray, low: FloatArray, close: FloatArray, window: int) -> FloatArray:
    """Return (close - its mean) / average true range, both over `window`; 0 where nothing moves."""
    means = rolling_mean_nb(close, window)
    ranges = average_true_range_nb(high, low, close, window)
    out = np.empty(close.shape[0])
    for bar in range(close.shape[0]):
        distance = (close[bar] - means[bar]) / ranges[bar]
        out[bar] = 0.0 if ranges[bar] <= MIN_RELATIVE_DEVIATION * close[bar] else distance
    return out


@njit(cache=True, nogil=True)
def relative_strength_nb(values: FloatArray, window: int) -> FloatArray:
    """Return Wilder's relative strength index (1978), 0..100, shape (n_bars,); 50 where nothing moved."""
    n_bars = values.shape[0]
    rises, falls = np.full(n_bars, np.nan), np.full(n_bars, np.nan)
    for bar in range(1, n_bars):
        step = values[bar] - values[bar - 1]
        rises[bar], falls[bar] = max(step, 0.0), max(-step, 0.0)
    up, down = wilder_mean_nb(rises, window), wilder_mean_nb(falls, window)
    out = np.full(n_bars, np.nan)
    for bar in range(window, n_bars):
        moved = up[bar] + down[bar]
        out[bar] = 100.0 * up[bar] / moved if moved > 0.0 else 50.0
    return out


@njit(cache=True, nogil=True)
def macd_histogram_nb(values: FloatArray, fast: int, slow: int, signal: int) -> FloatArray:
    """Return Appel's MACD line minus its signal line, shape (n_bars,), in price units."""
    line = exponential_mean_nb(values, fast) - exponential_mean_nb(values, slow)
    return line - exponential_mean_nb(line, signal)


@njit(cache=True, nogil=True)
def highest_before_nb(values: FloatArray, window: int) -> FloatArray:
    """Return the largest of the `window` values before each bar, the bar itself left out."""
    n_bars = values.shape[0]
    out = np.full(n_bars, np.nan)
    # Cut into blocks of `window`, any window is the end of one block and the start of the next; the
    # largest values of both are running maxima (van Herk 1992).
    to_end = values.copy()
    for bar in range(n_bars - 2, -1, -1):
        if (bar + 1) % window and to_end[bar + 1] > to_end[bar]:
            to_end[bar] = to_end[bar + 1]
    for start in range(0, n_bars, window):
        highest = -np.inf
        for bar in range(max(start, window), min(start + window, n_bars)):
            # The bars bar - window .. bar - 1, which do not hold the bar itself.
            first = to_end[bar - window]
            out[bar] = first if first > highest else highest
            highest = values[bar] if values[bar] > highest else highest
    return out


@njit(cache=True, nogil=True)
def lowest_before_nb(values: FloatArray, window: int) -> FloatArray:
    """Return the smallest of the `window` values before each bar, the bar itself left out."""
    return -highest_before_nb(-values, window)


@njit(cache=True, nogil=True)
def log_returns_nb(values: FloatArray) -> FloatArray:
    """Return log(values[t] / values[t - 1]), shape (n_bars,), NaN on the first bar."""
    out = np.full(values.shape[0], np.nan)
    for bar in range(1, values.shape[0]):
        out[bar] = math.log(values[bar] / values[bar - 1])
    return out


@njit(cache=True, nogil=True)
def volatility_nb(values: FloatArray, window: int) -> FloatArray:
    """Return the standard deviation (ddof 0) per bar of the last `window` log returns, shape (n_bars,)."""
    out = np.full(values.shape[0], np.nan)
    if values.shape[0] > window:
        out[1:] = rolling_deviation_nb(log_returns_nb(values)[1:], window)
    return out
