"""Indicators of past and present bars; NaN before the first bar that has its whole window."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from trainingday.backtest import moments
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
    out, variances = _warming_up_nb(values.shape[0], window), np.empty(moments.block_length(window))
    for start in range(window - 1, values.shape[0], variances.shape[0]):
        stop = min(start + variances.shape[0], values.shape[0])
        moments.block_moments_nb(values, window, start, stop, out[start:stop], variances)
    return out


@njit(cache=True, nogil=True)
def rolling_deviation_nb(values: FloatArray, window: int) -> FloatArray:
    """Return the standard deviation (ddof 0) of the last `window` values, shape (n_bars,)."""
    out, means = _warming_up_nb(values.shape[0], window), np.empty(moments.block_length(window))
    for start in range(window - 1, values.shape[0], means.shape[0]):
        stop = min(start + means.shape[0], values.shape[0])
        found = out[start:stop]
        moments.block_moments_nb(values, window, start, stop, means, found)
        for bar in range(found.shape[0]):
            found[bar] = np.sqrt(found[bar])
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def z_score_nb(values: FloatArray, window: int) -> FloatArray:
    """Return (value - mean) / deviation (ddof 0) of the last `window` values; 0 where they are constant."""
    out, means = _warming_up_nb(values.shape[0], window), np.empty(moments.block_length(window))
    variances = np.empty(means.shape[0])
    for start in range(window - 1, values.shape[0], means.shape[0]):
        stop = min(start + means.shape[0], values.shape[0])
        moments.block_moments_nb(values, window, start, stop, means, variances)
        found, here = out[start:stop], values[start:stop]
        for bar in range(found.shape[0]):
            mean, deviation = means[bar], np.sqrt(variances[bar])
            score = (here[bar] - mean) / deviation
            found[bar] = 0.0 if deviation <= MIN_RELATIVE_DEVIATION * abs(mean) else score
    return out


@njit(cache=True, nogil=True)
def _warming_up_nb(n_bars: int, window: int) -> FloatArray:
    """Return room for an indicator, NaN before its first whole window."""
    out = np.empty(n_bars)
    out[: window - 1] = np.nan
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
    moments.decay_nb(values[seed_bar + 1 :], weight, level, out[seed_bar + 1 :])
    return out


@njit(cache=True, nogil=True)
def true_range_nb(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Return Wilder's true range, shape (n_bars,); NaN on the first bar, which has no previous close."""
    out = _warming_up_nb(close.shape[0], 2)
    _true_ranges_nb(high[1:], low[1:], close[:-1], out[1:])
    return out


@njit(cache=True, nogil=True)
def _true_ranges_nb(high: FloatArray, low: FloatArray, before: FloatArray, out: FloatArray) -> None:
    for bar in range(high.shape[0]):
        close, top, bottom = before[bar], high[bar], low[bar]
        out[bar] = (top if top > close else close) - (bottom if bottom < close else close)


@njit(cache=True, nogil=True)
def average_true_range_nb(high: FloatArray, low: FloatArray, close: FloatArray, window: int) -> FloatArray:
    """Return Wilder's average true range (1978), shape (n_bars,)."""
    n_bars, weight = close.shape[0], 1.0 / window
    out = _warming_up_nb(n_bars, window + 1)
    if n_bars <= window:
        return out
    level = 0.0
    for value in true_range_nb(high[: window + 1], low[: window + 1], close[: window + 1])[1:]:
        level += value
    out[window] = level = level / window
    # Ranges and means block by block, which stay in the cache from one to the other.
    ranges = np.empty(moments.BLOCK)
    for start in range(window + 1, n_bars, moments.BLOCK):
        stop = min(start + moments.BLOCK, n_bars)
        _true_ranges_nb(high[start:stop], low[start:stop], close[start - 1 : stop - 1], ranges)
        level = moments.decay_nb(ranges[: stop - start], weight, level, out[start:stop])
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def channel_distance_nb(high: FloatArray, low: FloatArray, close: FloatArray, window: int) -> FloatArray:
    """Return (close - its mean) / average true range, both over `window`; 0 where nothing moves."""
    out = average_true_range_nb(high, low, close, window)
    means = np.empty(moments.block_length(window))
    variances = np.empty(means.shape[0])
    for start in range(window, close.shape[0], means.shape[0]):
        stop = min(start + means.shape[0], close.shape[0])
        moments.block_moments_nb(close, window, start, stop, means, variances)
        found, here = out[start:stop], close[start:stop]
        for bar in range(found.shape[0]):
            price, true_range = here[bar], found[bar]
            distance = (price - means[bar]) / true_range
            found[bar] = 0.0 if true_range <= MIN_RELATIVE_DEVIATION * price else distance
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def relative_strength_nb(values: FloatArray, window: int) -> FloatArray:
    """Return Wilder's relative strength index (1978), 0..100, shape (n_bars,); 50 where nothing moved."""
    n_bars, weight = values.shape[0], 1.0 / window
    out = _warming_up_nb(n_bars, window + 1)
    if n_bars <= window:
        return out
    up, down = 0.0, 0.0
    for bar in range(1, window + 1):
        step = values[bar] - values[bar - 1]
        up, down = up + max(step, 0.0), down + max(-step, 0.0)
    up, down = up / window, down / window
    out[window] = 50.0 if up + down <= 0.0 else 100.0 * up / (up + down)
    rises, falls = np.empty(moments.BLOCK), np.empty(moments.BLOCK)
    for start in range(window + 1, n_bars, moments.BLOCK):
        found = out[start : min(start + moments.BLOCK, n_bars)]
        _steps_nb(values[start - 1 : start + found.shape[0]], rises, falls)
        up = moments.decay_nb(rises[: found.shape[0]], weight, up, rises)
        down = moments.decay_nb(falls[: found.shape[0]], weight, down, falls)
        for bar in range(found.shape[0]):
            moved = rises[bar] + falls[bar]
            index = 100.0 * rises[bar] / moved
            found[bar] = 50.0 if moved <= 0.0 else index
    return out


@njit(cache=True, nogil=True)
def _steps_nb(values: FloatArray, rises: FloatArray, falls: FloatArray) -> None:
    """Write how far each value but the first is above, and how far below, the one before."""
    before, after = values[:-1], values[1:]
    for bar in range(after.shape[0]):
        step = after[bar] - before[bar]
        rises[bar] = step if step > 0.0 else 0.0
        falls[bar] = -step if step < 0.0 else 0.0


@njit(cache=True, nogil=True)
def macd_histogram_nb(values: FloatArray, fast: int, slow: int, signal: int) -> FloatArray:
    """Return Appel's MACD line minus its signal line, shape (n_bars,), in price units."""
    n_bars, seed = values.shape[0], max(fast, slow) + signal - 2
    out = _warming_up_nb(n_bars, seed + 1)
    if n_bars <= seed:
        return out
    quick, late = exponential_mean_nb(values[: seed + 1], fast), exponential_mean_nb(values[: seed + 1], slow)
    quick_level, late_level = quick[seed], late[seed]
    level = 0.0
    for bar in range(seed - signal + 1, seed + 1):
        level += (quick[bar] - late[bar]) / signal
    out[seed] = quick_level - late_level - level
    quick, late, means = np.empty(moments.BLOCK), np.empty(moments.BLOCK), np.empty(moments.BLOCK)
    for start in range(seed + 1, n_bars, moments.BLOCK):
        here = values[start : min(start + moments.BLOCK, n_bars)]
        found = out[start : start + here.shape[0]]
        quick_level = moments.decay_nb(here, 2.0 / (fast + 1.0), quick_level, quick)
        late_level = moments.decay_nb(here, 2.0 / (slow + 1.0), late_level, late)
        for bar in range(found.shape[0]):
            found[bar] = quick[bar] - late[bar]
        level = moments.decay_nb(found, 2.0 / (signal + 1.0), level, means)
        for bar in range(found.shape[0]):
            found[bar] -= means[bar]
    return out


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
def bars_since_as_high_nb(high: FloatArray, close: FloatArray) -> FloatArray:
    """Return how many bars ago a high was last at or above this bar's close, shape (n_bars,).

    Notes
    -----
    The close is above the highest high of the `n` bars before it where this is more than `n`: one array
    serves every channel. Where no high was, it is one more than the bars before, so that a channel that
    is not whole is never left. Needs high >= close. Highs that a later one has overtopped are dropped,
    so each bar is looked at twice at most.
    """
    n_bars = close.shape[0]
    out, kept, n_kept = np.empty(n_bars), np.empty(n_bars, dtype=np.int64), 0
    for bar in range(n_bars):
        while n_kept and high[kept[n_kept - 1]] < close[bar]:
            n_kept -= 1
        out[bar] = bar - kept[n_kept - 1] if n_kept else bar + 1
        while n_kept and high[kept[n_kept - 1]] <= high[bar]:
            n_kept -= 1
        kept[n_kept] = bar
        n_kept += 1
    return out


@njit(cache=True, nogil=True)
def bars_since_as_low_nb(low: FloatArray, close: FloatArray) -> FloatArray:
    """Return how many bars ago a low was last at or below this bar's close, shape (n_bars,)."""
    return bars_since_as_high_nb(-low, -close)


@njit(cache=True, nogil=True, error_model="numpy")
def calm_distance_nb(
    close: FloatArray, returns: FloatArray, window: int, calm: int, usual: int, ceiling: float
) -> FloatArray:
    """Return close / its mean - 1, and 0 while the volatility exceeds `ceiling` times the usual one.

    Parameters
    ----------
    close, returns : ndarray of shape (n_bars,)
        `returns` are log returns; the first is not read.
    window, calm, usual : int
        Bars of the mean, of the recent and of the usual deviation (ddof 0) of returns.

    Returns
    -------
    ndarray of shape (n_bars,)
        NaN until all three windows are whole.
    """
    first = max(window - 1, max(calm, usual))
    out, length = _warming_up_nb(close.shape[0], first + 1), moments.block_length(max(window, calm, usual))
    means, variances = np.empty(length), np.empty(length)
    recent, past, unused = np.empty(length), np.empty(length), np.empty(length)
    for start in range(first, close.shape[0], length):
        stop = min(start + length, close.shape[0])
        moments.block_moments_nb(close, window, start, stop, means, variances)
        moments.block_moments_nb(returns, calm, start, stop, unused, recent)
        moments.block_moments_nb(returns, usual, start, stop, unused, past)
        found, here = out[start:stop], close[start:stop]
        for bar in range(found.shape[0]):
            distance = here[bar] / means[bar] - 1.0
            is_calm = np.sqrt(recent[bar]) <= ceiling * np.sqrt(past[bar])
            found[bar] = distance if is_calm else 0.0
    return out


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
