"""Score positions that are -1, 0 or 1, given as bits, with work only where the position changes.

Between two fills a position's equity is known in closed form, so the sums that a Sharpe ratio needs come
from prefix sums of the market's returns (long), from one pass without branches (short) or are nothing
(flat). The accounting is that of `kernels.ledger_nb`; candidates for which the shortcut could differ from
it (ruin, a trade that breaks even, returns that hardly vary) are handed back to it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from trainingday.backtest.masks import (
    ALL_BARS,
    ONE,
    TOP_BIT,
    WORD_BITS,
    ZERO,
    WordArray,
    exit_bits_nb,
    latched_bits_nb,
    lowest_bit,
    memoryless_bits_nb,
)
from trainingday.typing import FloatArray, IntArray

# Columns of the market's rows.
OPEN, CLOSE, SUM, SQUARES = range(4)
# Columns of a score's sums.
N_SUMS = 12
(
    RETURN_SUM,
    RETURN_SQUARES,
    FINAL_EQUITY,
    DEEPEST,
    N_CLOSED,
    N_WON,
    WON,
    LOST,
    TRADED,
    HELD,
    COSTS,
    NEEDS_LEDGER,
) = range(N_SUMS)

BREAK_EVEN = 1e-12


@njit(cache=True, nogil=True)
def market_rows_nb(open_: FloatArray, close: FloatArray) -> FloatArray:
    """Return open, close and the prefix sums of returns and their squares, shape (n_bars, 4)."""
    rows = np.empty((close.shape[0], 4))
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
def block_extremes_nb(close: FloatArray) -> FloatArray:
    """Return the lowest and highest close of each 64 bars, shape (n_blocks, 2)."""
    n_blocks = (close.shape[0] + WORD_BITS - 1) // WORD_BITS
    blocks = np.empty((n_blocks, 2))
    for block in range(n_blocks):
        part = close[block * WORD_BITS : (block + 1) * WORD_BITS]
        blocks[block, 0], blocks[block, 1] = part.min(), part.max()
    return blocks


@njit(cache=True, nogil=True)
def _bounds_nb(blocks: FloatArray, first: int, stop: int) -> tuple[float, float]:
    low, high = blocks[first >> 6, 0], blocks[first >> 6, 1]
    for block in range((first >> 6) + 1, ((stop - 1) >> 6) + 1):
        low, high = min(low, blocks[block, 0]), max(high, blocks[block, 1])
    return low, high


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _extreme_nb(close: FloatArray, first: int, stop: int, sign: float) -> float:
    """Return the highest close of the bars for sign 1, the lowest for sign -1; prices are never NaN."""
    most = sign * close[first]
    for bar in range(first, stop):
        most = max(most, sign * close[bar])
    return sign * most


@njit(cache=True, nogil=True)
def _drawdown_nb(
    close: FloatArray,
    blocks: FloatArray,
    first: int,
    stop: int,
    cash: float,
    units: float,
    peak: float,
    deepest: float,
) -> tuple[float, float, bool]:
    """Return peak, deepest drawdown and solvency after holding `units` at the closes first..stop-1."""
    low, high = _bounds_nb(blocks, first, stop)
    if units < 0.0:
        low, high = high, low
    worst, best = cash + units * low, cash + units * high
    if worst <= 0.0:
        return peak, deepest, False
    if best > peak:
        for bar in range(first, stop):
            equity = cash + units * close[bar]
            if equity > peak:
                peak = equity
            elif equity < peak * (1.0 + deepest):
                deepest = equity / peak - 1.0
    elif worst < peak * (1.0 + deepest):
        equity = cash + units * _extreme_nb(close, first, stop, -1.0 if units > 0.0 else 1.0)
        deepest = min(deepest, equity / peak - 1.0)
    return peak, deepest, True


@njit(cache=True, nogil=True)
def _short_sums_nb(close: FloatArray, first: int, stop: int, cash: float, units: float) -> tuple[float, float]:
    """Return the sum of a short's returns on bars first..stop-1 and that of their squares.

    Four sums side by side fill a vector register; adding them in a fixed order keeps results equal on
    every machine.
    """
    sum_0, sum_1, sum_2, sum_3 = 0.0, 0.0, 0.0, 0.0
    square_0, square_1, square_2, square_3 = 0.0, 0.0, 0.0, 0.0
    bar = first
    while bar + 3 < stop:
        before = close[bar - 1 : bar + 3]
        after = close[bar : bar + 4]
        step_0 = units * (after[0] - before[0]) / (cash + units * before[0])
        step_1 = units * (after[1] - before[1]) / (cash + units * before[1])
        step_2 = units * (after[2] - before[2]) / (cash + units * before[2])
        step_3 = units * (after[3] - before[3]) / (cash + units * before[3])
        sum_0 += step_0
        sum_1 += step_1
        sum_2 += step_2
        sum_3 += step_3
        square_0 += step_0 * step_0
        square_1 += step_1 * step_1
        square_2 += step_2 * step_2
        square_3 += step_3 * step_3
        bar += 4
    while bar < stop:
        step = units * (close[bar] - close[bar - 1]) / (cash + units * close[bar - 1])
        sum_0 += step
        square_0 += step * step
        bar += 1
    return (sum_0 + sum_1) + (sum_2 + sum_3), (square_0 + square_1) + (square_2 + square_3)


@njit(cache=True, nogil=True)
def score_bits_nb(
    rows: FloatArray,
    close: FloatArray,
    blocks: FloatArray,
    longs: WordArray,
    shorts: WordArray,
    start: int,
    stop: int,
    fee: float,
    slippage: float,
    sums: FloatArray,
) -> None:
    """Fill the sums, shape (12,), of bars start..stop-1 traded by the bits; the account starts flat.

    Parameters
    ----------
    rows, close, blocks : ndarray
        From `market_rows_nb`, the closes, and `block_extremes_nb`.
    longs, shorts : ndarray of shape (n_words,), uint64
        Positions decided on each bar, filled at the next open; the last bar's are never filled.
    sums : ndarray of shape (12,)
        Out: see the column names. With NEEDS_LEDGER > 0 the others mean nothing.
    """
    sums[:] = 0.0
    inverse = 1.0 / (1.0 + fee)
    position, cash, units, opened_with = 0, 1.0, 0.0, 1.0
    peak, deepest, filled = 1.0, 0.0, start
    total, squares = 0.0, 0.0
    n_closed, n_won, won, lost, traded, held, paid = 0, 0, 0.0, 0.0, 0.0, 0, 0.0
    last_word = (stop - 2) >> 6
    was_long, was_short = ZERO, ZERO
    for word in range(start >> 6, last_word + 1 if stop - start > 1 else 0):
        window = ALL_BARS
        if word == start >> 6:
            window <<= np.uint64(start & 63)
        if word == last_word:
            window &= ALL_BARS >> np.uint64(63 - ((stop - 2) & 63))
        long, short = longs[word] & window, shorts[word] & window
        changes = ((long ^ ((long << ONE) | was_long)) | (short ^ ((short << ONE) | was_short))) & window
        was_long, was_short = long >> TOP_BIT, short >> TOP_BIT
        while changes != ZERO:
            bit = lowest_bit(changes)
            changes &= changes - ONE
            target = int((long >> np.uint64(bit)) & ONE) - int((short >> np.uint64(bit)) & ONE)
            bar = word * WORD_BITS + bit + 1
            # Hold to the close before the fill.
            before = cash + units * rows[bar - 1, CLOSE]
            if position > 0:
                total += rows[bar - 1, SUM] - rows[filled, SUM]
                squares += rows[bar - 1, SQUARES] - rows[filled, SQUARES]
            elif position < 0:
                part, part_squares = _short_sums_nb(close, filled + 1, bar, cash, units)
                total += part
                squares += part_squares
            if position != 0:
                held += bar - filled
                peak, deepest, is_solvent = _drawdown_nb(
                    close, blocks, filled, bar, cash, units, peak, deepest
                )
                if not is_solvent:
                    sums[NEEDS_LEDGER] = 1.0
                    return
            else:
                peak, deepest = max(peak, cash), min(deepest, cash / max(peak, cash) - 1.0)
            # Close what is held, then open what is wanted, both at one price.
            is_buy = target > position
            price = rows[bar, OPEN] * (1.0 + slippage if is_buy else 1.0 - slippage)
            closed_value = abs(units) * price
            equity = cash + units * price
            equity_before = equity
            equity -= fee * closed_value
            if position != 0:
                profit = equity - opened_with
                n_closed += 1
                if profit > 0.0:
                    n_won += 1
                    won += profit
                else:
                    lost -= profit
                if abs(profit) <= BREAK_EVEN * opened_with or equity <= 0.0:
                    sums[NEEDS_LEDGER] = 1.0
                    return
            slid = abs(units)
            opened_with = equity
            value = 0.0 if target == 0 else equity * inverse
            units = target * value / price
            cash = equity if target == 0 else value - target * value
            traded += (closed_value + value) / equity_before
            paid += fee * (closed_value + value) + (slid + abs(units)) * abs(price - rows[bar, OPEN])
            position, filled = target, bar
            step = (cash + units * rows[bar, CLOSE]) / before - 1.0
            total += step
            squares += step * step
    last = cash + units * rows[stop - 1, CLOSE]
    if position > 0:
        total += rows[stop - 1, SUM] - rows[filled, SUM]
        squares += rows[stop - 1, SQUARES] - rows[filled, SQUARES]
    elif position < 0:
        part, part_squares = _short_sums_nb(close, filled + 1, stop, cash, units)
        total += part
        squares += part_squares
    if position != 0:
        held += stop - filled
        peak, deepest, is_solvent = _drawdown_nb(close, blocks, filled, stop, cash, units, peak, deepest)
        if not is_solvent:
            sums[NEEDS_LEDGER] = 1.0
            return
    else:
        peak, deepest = max(peak, cash), min(deepest, cash / max(peak, cash) - 1.0)
    sums[RETURN_SUM], sums[RETURN_SQUARES] = total, squares
    sums[FINAL_EQUITY], sums[DEEPEST] = last, deepest
    sums[N_CLOSED], sums[N_WON], sums[WON], sums[LOST] = n_closed, n_won, won, lost
    sums[TRADED], sums[HELD], sums[COSTS] = traded, held, paid


@njit(cache=True, nogil=True)
def score_thresholds_nb(
    rows: FloatArray,
    close: FloatArray,
    blocks: FloatArray,
    indicator: FloatArray,
    has_late_nan: bool,
    thresholds: FloatArray,
    order: IntArray,
    folds: IntArray,
    fee: float,
    slippage: float,
    sums: FloatArray,
) -> None:
    """Fill the sums of the candidates in `order` that share one indicator.

    Parameters
    ----------
    indicator : ndarray of shape (n_words * 64,)
        Padded at its end with NaN.
    thresholds : ndarray of shape (n_candidates, 4)
        Of every candidate; `order` says which rows are meant.
    folds : ndarray of shape (n_folds, 2), int64
        First bar and stop of each.
    sums : ndarray of shape (n_candidates, n_folds, 12)
        Out.
    """
    n_words = indicator.shape[0] // WORD_BITS
    longs, shorts = np.empty(n_words, dtype=np.uint64), np.empty(n_words, dtype=np.uint64)
    exits = np.empty((2, n_words), dtype=np.uint64)
    last_exit_long, last_exit_short = np.nan, np.nan
    for candidate in order:
        enter_long, exit_long, enter_short, exit_short = thresholds[candidate]
        if exit_long == enter_long and exit_short == enter_short and not has_late_nan:
            memoryless_bits_nb(indicator, enter_long, enter_short, longs, shorts)
        else:
            if exit_long != last_exit_long or exit_short != last_exit_short:
                exit_bits_nb(indicator, exit_long, exit_short, exits)
                last_exit_long, last_exit_short = exit_long, exit_short
            latched_bits_nb(indicator, enter_long, enter_short, exits, longs, shorts)
        for fold in range(folds.shape[0]):
            score_bits_nb(
                rows,
                close,
                blocks,
                longs,
                shorts,
                folds[fold, 0],
                folds[fold, 1],
                fee,
                slippage,
                sums[candidate, fold],
            )
