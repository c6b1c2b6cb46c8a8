"""Positions as bits: 64 bars are compared with a threshold, or latched, in a few instructions."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from trainingday.backtest import lanes
from trainingday.typing import FloatArray

WordArray = NDArray[np.uint64]

WORD_BITS = 64
ZERO, ONE, ALL_BARS = np.uint64(0), np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
TOP_BIT = np.uint64(63)


def _compare_64(predicate: str) -> Any:
    """Return an intrinsic that compares 64 doubles from `start` on with a scalar, as one 64-bit word.

    Comparisons are ordered: NaN gives 0. The array must be contiguous and hold 64 values from `start`.
    """

    @intrinsic
    def compare(typing_context: Any, values: Any, start: Any, threshold: Any) -> Any:
        signature = types.uint64(values, types.intp, types.float64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            first = builder.gep(array.data, [arguments[1]])
            threshold = lanes.spread(builder, arguments[2], lanes.DOUBLES)

            def is_so(offset: Any) -> Any:
                return builder.fcmp_ordered(predicate, lanes.load(builder, first, offset), threshold)

            return _word_of(builder, is_so)

        return signature, generate

    return compare


def _word_of(builder: Any, is_so: Any) -> Any:
    """Return 64 answers as one word, asked for eight values at a time by where they begin."""
    word_type = ir.IntType(64)
    word = ir.Constant(word_type, 0)
    for offset in range(0, WORD_BITS, lanes.N_LANES):
        bits = builder.bitcast(is_so(ir.Constant(word_type, offset)), ir.IntType(lanes.N_LANES))
        wide = builder.zext(bits, word_type)
        word = builder.or_(word, builder.shl(wide, ir.Constant(word_type, offset)))
    return word


def _changed_64(typing_context: Any, values: Any, start: Any) -> Any:
    """Return, as one word, which of 64 doubles from `start` > 0 on differ from the one before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        first = builder.gep(array.data, [arguments[1]])
        before = builder.gep(first, [ir.Constant(ir.IntType(64), -1)])

        def is_so(offset: Any) -> Any:
            pair = (lanes.load(builder, data, offset) for data in (first, before))
            return builder.fcmp_unordered("!=", *pair)

        return _word_of(builder, is_so)

    return types.uint64(values, types.intp), generate


above_64 = _compare_64(">")
below_64 = _compare_64("<")
at_most_64 = _compare_64("<=")
at_least_64 = _compare_64(">=")


def _lowest_bit(typing_context: Any, word: Any) -> Any:
    """Return the index of the lowest set bit of a word that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


def _highest_bit(typing_context: Any, number: Any) -> Any:
    """Return the index of the highest set bit of a positive number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zeros = builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))
        return builder.sub(ir.Constant(ir.IntType(64), 63), zeros)

    return types.int64(types.int64), generate


# Typed as Any, since a kernel calls them without the typing context.
changed_64: Any = intrinsic(_changed_64)
lowest_bit: Any = intrinsic(_lowest_bit)
highest_bit: Any = intrinsic(_highest_bit)


@njit(cache=True, nogil=True, inline="always")
def latch_nb(set_bits: np.uint64, keep_bits: np.uint64, was_on: np.uint64) -> np.uint64:
    """Return a latch's state on 64 bars: on where set, else as on the bar before where kept.

    Notes
    -----
    The recurrence on[t] = set[t] | (keep[t] & on[t-1]) is that of the carry in an addition whose
    "generate" is set and whose "propagate" is keep, so one addition resolves 64 bars. `was_on` is 0 or 1.
    """
    left = set_bits | keep_bits
    carried = left ^ set_bits ^ (left + set_bits + was_on)
    return set_bits | (keep_bits & carried)


@njit(cache=True, nogil=True)
def memoryless_bits_nb(
    indicator: FloatArray, enter_long: float, enter_short: float, longs: WordArray, shorts: WordArray
) -> None:
    """Write positions that depend on their own bar alone: long above one value, short below the other."""
    for word in range(indicator.shape[0] // WORD_BITS):
        longs[word] = above_64(indicator, word * WORD_BITS, enter_long)
        shorts[word] = below_64(indicator, word * WORD_BITS, enter_short)


@njit(cache=True, nogil=True)
def exit_bits_nb(indicator: FloatArray, exit_long: float, exit_short: float, exits: WordArray) -> None:
    """Write where a long and where a short must end, shape (2, >= n_words)."""
    for word in range(indicator.shape[0] // WORD_BITS):
        exits[0, word] = at_most_64(indicator, word * WORD_BITS, exit_long)
        exits[1, word] = at_least_64(indicator, word * WORD_BITS, exit_short)


@njit(cache=True, nogil=True)
def latched_bits_nb(
    indicator: FloatArray,
    enter_long: float,
    enter_short: float,
    exits: WordArray,
    state: WordArray,
    longs: WordArray,
    shorts: WordArray,
) -> None:
    """Write the positions of `threshold_positions_nb` as bits: `longs` where 1, `shorts` where -1.

    Parameters
    ----------
    indicator : ndarray of shape (n_words * 64,)
        Padded at its end with NaN.
    enter_long, enter_short : float
        Thresholds; `enter_short` <= `enter_long`.
    exits : ndarray of shape (2, >= n_words), uint64
        From `exit_bits_nb`.
    state : ndarray of shape (2,), uint64
        In and out: 1 where long and where short on the bar before the first, and then on the last.
    longs, shorts : ndarray of shape (>= n_words,), uint64
        Out; bit b of word w is bar 64 w + b.
    """
    was_long, was_short = state[0], state[1]
    for word in range(indicator.shape[0] // WORD_BITS):
        set_long = above_64(indicator, word * WORD_BITS, enter_long)
        set_short = below_64(indicator, word * WORD_BITS, enter_short) & ~set_long
        long = latch_nb(set_long, ~(set_short | exits[0, word]), was_long)
        short = latch_nb(set_short, ~(set_long | exits[1, word]), was_short)
        longs[word], shorts[word] = long, short
        was_long, was_short = long >> TOP_BIT, short >> TOP_BIT
    state[0], state[1] = was_long, was_short


@njit(cache=True, nogil=True)
def channel_bits_nb(
    since_high: FloatArray,
    since_low: FloatArray,
    enter: float,
    leave: float,
    state: WordArray,
    longs: WordArray,
    shorts: WordArray,
) -> None:
    """Write the positions of `channel_positions_nb` as bits; state as in `latched_bits_nb`."""
    was_long, was_short = state[0], state[1]
    for word in range(since_high.shape[0] // WORD_BITS):
        bar = word * WORD_BITS
        set_long = above_64(since_high, bar, enter)
        set_short = above_64(since_low, bar, enter) & ~set_long
        long = latch_nb(set_long, ~(set_short | above_64(since_low, bar, leave)), was_long)
        short = latch_nb(set_short, ~(set_long | above_64(since_high, bar, leave)), was_short)
        longs[word], shorts[word] = long, short
        was_long, was_short = long >> TOP_BIT, short >> TOP_BIT
    state[0], state[1] = was_long, was_short


@njit(cache=True, nogil=True)
def pack_positions_nb(positions: FloatArray, longs: WordArray, shorts: WordArray) -> bool:
    """Write positions as bits and return True, or return False at one that is not -1, 0 or 1."""
    longs[:] = ZERO
    shorts[:] = ZERO
    for bar in range(positions.shape[0]):
        position = positions[bar]
        bit = ONE << np.uint64(bar & 63)
        if position == 1.0:
            longs[bar >> 6] |= bit
        elif position == -1.0:
            shorts[bar >> 6] |= bit
        elif position != 0.0:
            return False
    return True


@njit(cache=True, nogil=True)
def unpack_positions_nb(longs: WordArray, shorts: WordArray, positions: FloatArray) -> None:
    """Write bits back as positions of shape (n_bars,)."""
    for bar in range(positions.shape[0]):
        shift = np.uint64(bar & 63)
        positions[bar] = float((longs[bar >> 6] >> shift) & ONE) - float((shorts[bar >> 6] >> shift) & ONE)
