"""Running means and variances, a block of bars at a time, so that what is made of them stays in the cache."""

from __future__ import annotations

import math
from collections.abc import Sequence

from numba import njit

from trainingday.typing import FloatArray

BLOCK = 256


@njit(cache=True, nogil=True, inline="always")
def block_length(window: int) -> int:
    """Return how many bars to work out at once: a window is summed anew for each block."""
    return (window + BLOCK - 1) // BLOCK * BLOCK


def first_bar_read(windows: Sequence[int], bar: int) -> int:
    """Return where bars may begin so that moments from `bar` on come out as from all bars, to the bit."""
    # Blocks are counted from the first whole window, so what is left out has to be whole blocks.
    block = math.lcm(*(block_length(window) for window in windows))
    return max(bar - max(windows) + 1, 0) // block * block


@njit(cache=True, nogil=True)
def block_moments_nb(
    values: FloatArray, window: int, start: int, stop: int, means: FloatArray, variances: FloatArray
) -> None:
    """Write mean and variance (ddof 0) of the last `window` values on bars start..stop-1.

    Parameters
    ----------
    values : ndarray of shape (n_bars,)
    window, start, stop : int
        window - 1 <= start < stop <= n_bars.
    means, variances : ndarray of shape (>= stop - start,)
        Out, from the front.

    Notes
    -----
    Sums begin anew at each block, around the value it begins with: running sums lose digits otherwise.
    """
    n_bars, centre, weight = stop - start, values[start], 1.0 / window
    sums, squares = means[:n_bars], variances[:n_bars]
    sums[0], squares[0] = _sums_around_nb(values[start - window + 1 : start + 1], centre)
    new, old = values[start + 1 : stop], values[start - window + 1 : stop - window]
    later_sums, later_squares = sums[1:], squares[1:]
    for bar in range(new.shape[0]):
        step = new[bar] - old[bar]
        later_sums[bar] = step
        later_squares[bar] = step * ((new[bar] - centre) + (old[bar] - centre))
    _add_up_nb(sums)
    _add_up_nb(squares)
    for bar in range(n_bars):
        mean = sums[bar] * weight
        variance = squares[bar] * weight - mean * mean
        sums[bar] = centre + mean
        squares[bar] = variance if variance > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _sums_around_nb(values: FloatArray, centre: float) -> tuple[float, float]:
    """Return the sums of values - centre and of its square."""
    total, squares = 0.0, 0.0
    for row in range(values.shape[0]):
        step = values[row] - centre
        total += step
        squares += step * step
    return total, squares


@njit(cache=True, nogil=True)
def _add_up_nb(values: FloatArray) -> None:
    """Replace each value by the sum of those up to it."""
    # Four sums are formed beside each other before they meet the level: additions that wait for the one
    # before take four times as long.
    level, n_whole = values[0], (values.shape[0] - 1) & ~3
    for row in range(1, n_whole + 1, 4):
        first = values[row]
        second = first + values[row + 1]
        third = second + values[row + 2]
        fourth = third + values[row + 3]
        values[row], values[row + 1] = level + first, level + second
        values[row + 2], values[row + 3] = level + third, level + fourth
        level += fourth
    rest = 0.0
    for row in range(n_whole + 1, values.shape[0]):
        rest += values[row]
        values[row] = level + rest


@njit(cache=True, nogil=True)
def decay_nb(values: FloatArray, weight: float, level: float, out: FloatArray) -> float:
    """Write level = (1 - weight) * level + weight * value, value after value; return the last level.

    Notes
    -----
    `out` may be `values` itself. As in sums, what four values add is formed before the level arrives.
    """
    keep, n_whole = 1.0 - weight, values.shape[0] & ~3
    keep_2, keep_3, keep_4 = keep * keep, keep * keep * keep, keep * keep * keep * keep
    for row in range(0, n_whole, 4):
        first = weight * values[row]
        second = keep * first + weight * values[row + 1]
        third = keep * second + weight * values[row + 2]
        fourth = keep * third + weight * values[row + 3]
        out[row], out[row + 1] = keep * level + first, keep_2 * level + second
        out[row + 2], level = keep_3 * level + third, keep_4 * level + fourth
        out[row + 3] = level
    added, kept = 0.0, 1.0
    for row in range(n_whole, values.shape[0]):
        added, kept = keep * added + weight * values[row], kept * keep
        out[row] = kept * level + added
    return out[values.shape[0] - 1] if values.shape[0] else level
