"""Words: the shape of each window of closes as a few letters (symbolic aggregate approximation)."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numba import njit
from numpy.typing import NDArray

from patterns.discovery.pattern import Shape
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import BoolArray, FloatArray

WordArray = NDArray[np.int16]
NO_WORD = -1
# Windows per block: its sums stay in the first-level cache, and re-centring keeps rounding small.
_BLOCK = 1024
# Below this share of the block's own sum of squares, rounding could move a letter: compute it exactly.
_SMALL = 1e-6


def breakpoints(n_letters: int) -> FloatArray:
    """Return the cuts of the standard normal into equally likely letters, shape (n_letters - 1,)."""
    return np.array([NormalDist().inv_cdf(k / n_letters) for k in range(1, n_letters)])


def compute_words(bars: Bars, shape: Shape | None = None) -> WordArray:
    """Return the word of the window that ends at each bar.

    The window's closes are brought to mean 0 and standard deviation 1 (ddof 0) and averaged by
    segment; each mean becomes a letter by the normal distribution's equally likely cuts, and the
    letters make a number, oldest first: a rising line of 5 x 3 letters is 00122, which is 17.

    Parameters
    ----------
    bars : Bars of shape (n_bars,)
    shape : Shape, default 50 bars, 5 segments, 3 letters

    Returns
    -------
    ndarray of shape (n_bars,), int16
        The word known at each bar's close, from that bar and the window - 1 bars before it; -1 where
        the window is not full, crosses a gap, or holds one price only.

    Notes
    -----
    Lin, Keogh, Lonardi & Chiu (2003), "A symbolic representation of time series". Time is linear in
    the bars, extra memory is one block.
    """
    return words_of(bars.close, bars.gap_before, shape or Shape())


def words_of(close: FloatArray, gap_before: BoolArray, shape: Shape) -> WordArray:
    """Return `compute_words` for plain arrays.

    Raises
    ------
    InvalidArgument
        If the arrays differ in length, or a close is not finite.
    """
    if close.ndim != 1 or close.shape != gap_before.shape:
        raise InvalidArgument(f"close should have shape {gap_before.shape}, has {close.shape}")
    # One sum finds what is not finite, without an array of flags.
    if not np.isfinite(close.sum()):
        raise InvalidArgument("close should be finite, is not")
    words = np.full(close.shape[0], NO_WORD, dtype=np.int16)
    _words_nb(
        np.ascontiguousarray(close, dtype=np.float64),
        np.ascontiguousarray(gap_before),
        shape.window,
        shape.n_segments,
        breakpoints(shape.n_letters),
        words,
    )
    return words


@njit(cache=True, nogil=True, error_model="numpy")
def _exact_word_nb(close, first, window, n_segments, cuts):  # type: ignore[no-untyped-def]
    """Word of one window by two passes."""
    length = window // n_segments
    mean = 0.0
    for i in range(window):
        mean += close[first + i] - close[first]
    mean /= window
    squares = 0.0
    for i in range(window):
        squares += (close[first + i] - close[first] - mean) ** 2
    deviation = np.sqrt(squares / window)
    word = 0
    for k in range(n_segments):
        total = 0.0
        for i in range(k * length, (k + 1) * length):
            total += close[first + i] - close[first] - mean
        letter = 0
        for cut in cuts:
            letter += total > length * cut * deviation
        word = word * (cuts.shape[0] + 1) + letter
    return word


@njit(cache=True, nogil=True, error_model="numpy")
def _usable_nb(close, gap_before, start, size, window, last_gap, last_change, usable):  # type: ignore[no-untyped-def]
    """Mark the windows that neither cross a gap nor hold one price only; most blocks are whole."""
    first = start - window + 1
    breaks = 0
    for i in range(size):
        breaks += gap_before[start + i] or close[start + i] == close[start + i - 1]
    if breaks == 0 and last_gap <= first and last_change > first:
        return True, last_gap, start + size - 1
    for i in range(size):
        bar = start + i
        if gap_before[bar]:
            last_gap = bar
        if close[bar] != close[bar - 1]:
            last_change = bar
        usable[i] = last_gap <= first + i and last_change > first + i
    return False, last_gap, last_change


@njit(cache=True, nogil=True, error_model="numpy")
def _spell_nb(sums, squares, size, window, n_segments, cuts, centre, spread, deviation, code):  # type: ignore[no-untyped-def]
    """Spell every window of a block, one letter of all at a time: plain loops that compile to vectors."""
    length = window // n_segments
    share = 1.0 / window
    for i in range(size):
        mean = (sums[i + window] - sums[i]) * share
        centre[i] = mean * length
        spread[i] = squares[i + window] - squares[i] - mean * mean * window
        deviation[i] = np.sqrt(max(spread[i], 0.0) * share) * length
        code[i] = 0.0
    for k in range(n_segments):
        low, high = k * length, (k + 1) * length
        if cuts.shape[0] == 2:
            for i in range(size):
                height = sums[i + high] - sums[i + low] - centre[i]
                low_letter = 1.0 if height > cuts[0] * deviation[i] else 0.0
                code[i] = code[i] * 3.0 + low_letter + (1.0 if height > cuts[1] * deviation[i] else 0.0)
        else:
            for i in range(size):
                height = sums[i + high] - sums[i + low] - centre[i]
                code[i] *= cuts.shape[0] + 1
                for cut in cuts:
                    code[i] += 1.0 if height > cut * deviation[i] else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _words_nb(close, gap_before, window, n_segments, cuts, words):  # type: ignore[no-untyped-def]
    n_bars = close.shape[0]
    sums, squares = np.zeros(_BLOCK + window), np.zeros(_BLOCK + window)
    centre, spread, deviation, code = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    usable = np.empty(_BLOCK, dtype=np.bool_)
    last_gap, last_change = 0, 0
    for bar in range(1, min(window - 1, n_bars)):
        if gap_before[bar]:
            last_gap = bar
        if close[bar] != close[bar - 1]:
            last_change = bar
    for start in range(window - 1, n_bars, _BLOCK):
        size = min(_BLOCK, n_bars - start)
        first = start - window + 1
        offset = close[first]
        for i in range(size + window - 1):
            x = close[first + i] - offset
            sums[i + 1] = sums[i] + x
            squares[i + 1] = squares[i] + x * x
        is_whole, last_gap, last_change = _usable_nb(
            close, gap_before, start, size, window, last_gap, last_change, usable
        )
        _spell_nb(sums, squares, size, window, n_segments, cuts, centre, spread, deviation, code)
        n_small = 0
        for i in range(size):
            n_small += spread[i] <= _SMALL * squares[i + window]
        if is_whole and n_small == 0:
            for i in range(size):
                words[start + i] = np.int16(code[i])
            continue
        for i in range(size):
            if is_whole or usable[i]:
                if spread[i] > _SMALL * squares[i + window]:
                    words[start + i] = np.int16(code[i])
                else:
                    words[start + i] = _exact_word_nb(close, first + i, window, n_segments, cuts)
