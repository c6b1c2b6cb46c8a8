"""What a population reads of the market: rows by bar and extremes of closes by aligned blocks."""

from __future__ import annotations

import numpy as np
from numba import njit

from trainingday.backtest.masks import WORD_BITS, highest_bit
from trainingday.typing import FloatArray, IntArray

# Columns of the market's rows.
OPEN, CLOSE, SUM, SQUARES = range(4)
N_COLUMNS = 4

# The smallest blocks hold 16 bars; those of each further level twice as many.
FIRST_LEVEL = 4
_SMALLEST = (1 << FIRST_LEVEL) - 1

# Closes are padded by so many copies of the last, so that vectors may be read past the end.
N_PADDING = 64


@njit(cache=True, nogil=True)
def market_rows_nb(open_: FloatArray, close: FloatArray) -> FloatArray:
    """Return open, close and the prefix sums of returns and their squares, shape (n_bars, 4)."""
    rows = np.empty((close.shape[0], N_COLUMNS))
    total, squares = 0.0, 0.0
    for bar in range(close.shape[0]):
        if bar:
            step = close[bar] / close[bar - 1] - 1.0
            total += step
            squares += step * step
        rows[bar, OPEN], rows[bar, CLOSE] = open_[bar], close[bar]
        rows[bar, SUM], rows[bar, SQUARES] = total, squares
    return rows


@njit(cache=True, nogil=True)
def padded_nb(close: FloatArray) -> FloatArray:
    """Return the closes and 64 copies of the last, shape (n_bars + 64,)."""
    padded = np.empty(close.shape[0] + N_PADDING)
    padded[: close.shape[0]] = close
    padded[close.shape[0] :] = close[-1]
    return padded


@njit(cache=True, nogil=True)
def level_offsets_nb(n_bars: int) -> IntArray:
    """Return the row at which each level's blocks start, shape (n_levels + 1,); levels count from 0."""
    n_levels = max(highest_bit(n_bars), FIRST_LEVEL) + 2
    offsets = np.zeros(n_levels + 1, dtype=np.int64)
    for level in range(FIRST_LEVEL, n_levels):
        # One block more than needed, so that the one after the last can be read too.
        offsets[level + 1] = offsets[level] + (n_bars >> level) + 2
    return offsets


@njit(cache=True, nogil=True)
def block_extremes_nb(close: FloatArray, offsets: IntArray) -> FloatArray:
    """Return the lowest and highest close of aligned blocks of 16, 32, 64 .. bars, shape (n_blocks, 2).

    Notes
    -----
    Row `offsets[level] + k` is that of bars k * 2**level and following. Two neighbours enclose any range
    of up to 2**level bars, so a bound on its extremes takes one read at whatever length, from a table of
    two bytes per bar. Blocks past the end repeat the last close.
    """
    n_bars = close.shape[0]
    table = np.empty((offsets[-1], 2))
    table[:, :] = close[-1]
    for block in range((n_bars + _SMALLEST) >> FIRST_LEVEL):
        first = block << FIRST_LEVEL
        low, high = close[first], close[first]
        for bar in range(first + 1, min(first + _SMALLEST + 1, n_bars)):
            low, high = min(low, close[bar]), max(high, close[bar])
        table[block, 0], table[block, 1] = low, high
    for level in range(FIRST_LEVEL + 1, offsets.shape[0] - 1):
        below, here = offsets[level - 1], offsets[level]
        n_below = here - below
        for block in range(offsets[level + 1] - here):
            left = below + min(2 * block, n_below - 1)
            right = below + min(2 * block + 1, n_below - 1)
            table[here + block, 0] = min(table[left, 0], table[right, 0])
            table[here + block, 1] = max(table[left, 1], table[right, 1])
    return table


@njit(cache=True, nogil=True, inline="always")
def enclosing_level_nb(n_bars: int) -> int:
    """Return the level whose blocks hold at least `n_bars` > 0 bars."""
    level: int = highest_bit((n_bars - 1) | _SMALLEST) + 1
    return level


@njit(cache=True, nogil=True)
def whole_words_nb(values: FloatArray, room: FloatArray) -> FloatArray:
    """Return the values, or where they are no multiple of 64 a copy in `room`, filled up with NaN."""
    n_values = values.shape[0]
    if n_values % WORD_BITS == 0:
        return values
    n_whole = (n_values // WORD_BITS + 1) * WORD_BITS
    room[:n_values] = values
    room[n_values:n_whole] = np.nan
    return room[:n_whole]


@njit(cache=True, nogil=True)
def late_nan_nb(values: FloatArray, had_number: bool) -> tuple[bool, bool]:
    """Return whether a NaN follows a number, and whether there was a number, here or before."""
    n_missing, first = 0, 0
    for bar in range(values.shape[0]):
        n_missing += 1 if values[bar] != values[bar] else 0
    while first < n_missing and values[first] != values[first]:
        first += 1
    has_late = n_missing > 0 if had_number else n_missing > first
    return has_late, had_number or n_missing < values.shape[0]
