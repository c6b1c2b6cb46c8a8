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
    highest_bit,
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

# Levels of the table of extremes: ranges of 1, 2, 4 .. 64 bars.
N_LEVELS = 7
_LAST_LEVEL = N_LEVELS - 1


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
def range_extremes_nb(close: FloatArray) -> FloatArray:
    """Return the lowest and highest close of the 1, 2, 4 .. 64 bars from each bar on, shape (7, n_bars, 2).

    Notes
    -----
    A sparse table: two overlapping entries give the extremes of any range of up to 127 bars at once.
    Entries that would reach past the end stop there.
    """
    n_bars = close.shape[0]
    table = np.empty((N_LEVELS, n_bars, 2))
    table[0, :, 0] = close
    table[0, :, 1] = close
    for level in range(1, N_LEVELS):
        half = 1 << (level - 1)
        for bar in range(n_bars):
            other = min(bar + half, n_bars - 1)
            table[level, bar, 0] = min(table[level - 1, bar, 0], table[level - 1, other, 0])
            table[level, bar, 1] = max(table[level - 1, bar, 1], table[level - 1, other, 1])
    return table


@njit(cache=True, nogil=True, inline="always")
def _lesser_nb(a: float, b: float) -> float:
    return a if a < b else b


@njit(cache=True, nogil=True, inline="always")
def _greater_nb(a: float, b: float) -> float:
    return a if a > b else b


@njit(cache=True, nogil=True)
def _extremes_nb(table: FloatArray, first: int, stop: int) -> tuple[float, float]:
    """Return the lowest and highest close of bars first..stop-1."""
    level = _LAST_LEVEL if stop - first >= WORD_BITS else highest_bit(stop - first)
    width = 1 << level
    last = stop - width
    low = _lesser_nb(table[level, first, 0], table[level, last, 0])
    high = _greater_nb(table[level, first, 1], table[level, last, 1])
    for bar in range(first + width, last, width):
        low = _lesser_nb(low, table[level, bar, 0])
        high = _greater_nb(high, table[level, bar, 1])
    return low, high


@njit(cache=True, nogil=True)
def _walk_drawdown_nb(
    close: FloatArray, first: int, stop: int, cash: float, units: float, peak: float, deepest: float
) -> float:
    """Return the deepest drawdown after the closes first..stop-1, bar by bar."""
    for bar in range(first, stop):
        equity = cash + units * close[bar]
        if equity > peak:
            peak = equity
        elif equity < peak * (1.0 + deepest):
            deepest = equity / peak - 1.0
    return deepest


@njit(cache=True, nogil=True, error_model="numpy")
def _short_sums_nb(close: FloatArray, first: int, stop: int, limit: float) -> tuple[float, float]:
    """Return the sum of a short's returns on bars first..stop-1 and that of their squares.

    `limit` is the price that would ruin the short: a return is -change / (limit - close before). Four
    sums side by side fill a vector register; adding them in a fixed order keeps results equal on every
    machine.
    """
    sum_0, sum_1, sum_2, sum_3 = 0.0, 0.0, 0.0, 0.0
    square_0, square_1, square_2, square_3 = 0.0, 0.0, 0.0, 0.0
    before, after = close[first - 1 : stop - 1], close[first:stop]
    n_bars = stop - first
    n_whole = n_bars & ~3
    for bar in range(0, n_whole, 4):
        step_0 = (before[bar] - after[bar]) / (limit - before[bar])
        step_1 = (before[bar + 1] - after[bar + 1]) / (limit - before[bar + 1])
        step_2 = (before[bar + 2] - after[bar + 2]) / (limit - before[bar + 2])
        step_3 = (before[bar + 3] - after[bar + 3]) / (limit - before[bar + 3])
        sum_0 += step_0
        sum_1 += step_1
        sum_2 += step_2
        sum_3 += step_3
        square_0 += step_0 * step_0
        square_1 += step_1 * step_1
        square_2 += step_2 * step_2
        square_3 += step_3 * step_3
    for bar in range(n_whole, n_bars):
        step = (before[bar] - after[bar]) / (limit - before[bar])
        sum_0 += step
        square_0 += step * step
    return (sum_0 + sum_1) + (sum_2 + sum_3), (square_0 + square_1) + (square_2 + square_3)


@njit(cache=True, nogil=True)
def changes_nb(
    longs: WordArray, shorts: WordArray, start: int, stop: int, bars: IntArray, targets: IntArray
) -> int:
    """Write the bars at whose open a new target is filled, and the targets; return how many.

    A last entry marks the end: bar `stop`, target 0.
    """
    first_word, last_word = start >> 6, (stop - 2) >> 6
    was_long, was_short = ZERO, ZERO
    n_changes = 0
    for word in range(first_word, last_word + 1 if stop - start > 1 else first_word):
        window = ALL_BARS
        if word == first_word:
            window <<= np.uint64(start & 63)
        if word == last_word:
            window &= ALL_BARS >> np.uint64(63 - ((stop - 2) & 63))
        long, short = longs[word] & window, shorts[word] & window
        changes = (long ^ ((long << ONE) | was_long)) | (short ^ ((short << ONE) | was_short))
        changes &= window
        was_long, was_short = long >> TOP_BIT, short >> TOP_BIT
        while changes != ZERO:
            bit = lowest_bit(changes)
            changes &= changes - ONE
            shift = np.uint64(bit)
            targets[n_changes] = np.int64((long >> shift) & ONE) - np.int64((short >> shift) & ONE)
            bars[n_changes] = word * WORD_BITS + bit + 1
            n_changes += 1
    bars[n_changes], targets[n_changes] = stop, 0
    return n_changes


@njit(cache=True, nogil=True, error_model="numpy")
def score_changes_nb(
    rows: FloatArray,
    close: FloatArray,
    table: FloatArray,
    bars: IntArray,
    targets: IntArray,
    n_changes: int,
    start: int,
    fee: float,
    slippage: float,
    sums: FloatArray,
) -> None:
    """Fill the sums, shape (12,), of an account that starts flat at `start` and trades the changes.

    Parameters
    ----------
    rows, close, table : ndarray
        From `market_rows_nb`, the closes, and `range_extremes_nb`.
    bars, targets : ndarray of shape (>= n_changes + 1,)
        From `changes_nb`.
    sums : ndarray of shape (12,)
        Out: see the column names. With NEEDS_LEDGER > 0 the others mean nothing.

    Notes
    -----
    Per unit of the equity before a fill, equity at a price p is base + slope * p until the next fill:
    slope 1 / ((1 + fee) * fill price) and base 0 for a long, minus that and 2 / (1 + fee) for a short,
    0 and 1 when flat. Nothing but one product links one run of bars to the next, and there are few
    branches, since which way they go is unpredictable.
    """
    sums[:] = 0.0
    inverse = 1.0 / (1.0 + fee)
    position, base, slope, entry_price, equity = 0, 1.0, 0.0, 1.0, 1.0
    peak, deepest, filled, last = 1.0, 0.0, start, 1.0
    total, squares = 0.0, 0.0
    n_closed, n_won, won, lost, traded, held, paid = 0, 0, 0.0, 0.0, 0.0, 0, 0.0
    for change in range(n_changes + 1):
        bar = bars[change]
        # Hold to the close before the fill.
        last = base + slope * rows[bar - 1, CLOSE]
        is_long = 1.0 if position > 0 else 0.0
        total += is_long * (rows[bar - 1, SUM] - rows[filled, SUM])
        squares += is_long * (rows[bar - 1, SQUARES] - rows[filled, SQUARES])
        low, high = _extremes_nb(table, filled, bar)
        at_low, at_high = base + slope * low, base + slope * high
        worst = at_low if position >= 0 else at_high
        best = equity * (at_high if position >= 0 else at_low)
        if worst <= 0.0:
            sums[NEEDS_LEDGER] = 1.0
            return
        worst *= equity
        if worst < _greater_nb(peak, best) * (1.0 + deepest):
            if best > peak:
                deepest = _walk_drawdown_nb(close, filled, bar, equity * base, equity * slope, peak, deepest)
            else:
                deepest = worst / peak - 1.0
        peak = _greater_nb(peak, best)
        if position < 0:
            part, part_squares = _short_sums_nb(close, filled + 1, bar, 2.0 * entry_price)
            total += part
            squares += part_squares
        held += bar - filled if position != 0 else 0
        if change == n_changes:
            break
        # Close what is held, then open what is wanted, both at one price.
        target = targets[change]
        open_price = rows[bar, OPEN]
        price = open_price * (1.0 + slippage if target > position else 1.0 - slippage)
        before, held_value = base + slope * price, abs(slope) * price
        growth = before - fee * held_value
        profit = equity * (growth - 1.0)
        n_closed += 1 if position != 0 else 0
        n_won += 1 if profit > 0.0 else 0
        won += _greater_nb(profit, 0.0)
        lost += _greater_nb(-profit, 0.0)
        if position != 0 and (abs(growth - 1.0) <= BREAK_EVEN or growth <= 0.0):
            sums[NEEDS_LEDGER] = 1.0
            return
        new_value = growth * inverse if target != 0 else 0.0
        traded += (held_value + new_value) / before
        # Slippage is paid on units, value over price.
        slid = abs(1.0 - open_price / price)
        paid += equity * (held_value + new_value) * (fee + slid)
        equity *= growth
        base = inverse * (1 - target) if target != 0 else 1.0
        slope = target * inverse / price
        entry_price, position, filled = price, target, bar
        step = growth * (base + slope * rows[bar, CLOSE]) / last - 1.0
        total += step
        squares += step * step
    sums[RETURN_SUM], sums[RETURN_SQUARES] = total, squares
    sums[FINAL_EQUITY], sums[DEEPEST] = equity * last, deepest
    sums[N_CLOSED], sums[N_WON], sums[WON], sums[LOST] = n_closed, n_won, won, lost
    sums[TRADED], sums[HELD], sums[COSTS] = traded, held, paid


@njit(cache=True, nogil=True)
def score_bits_nb(
    rows: FloatArray,
    close: FloatArray,
    table: FloatArray,
    longs: WordArray,
    shorts: WordArray,
    folds: IntArray,
    bars: IntArray,
    targets: IntArray,
    fee: float,
    slippage: float,
    sums: FloatArray,
) -> None:
    """Fill the sums, shape (n_folds, 12), of one candidate's positions given as bits.

    Parameters
    ----------
    folds : ndarray of shape (n_folds, 2), int64
        First bar and stop of each.
    bars, targets : ndarray of shape (n_bars + 1,), int64
        Room for the changes, used anew by every candidate.
    """
    for fold in range(folds.shape[0]):
        start, stop = folds[fold, 0], folds[fold, 1]
        n_changes = changes_nb(longs, shorts, start, stop, bars, targets)
        score_changes_nb(rows, close, table, bars, targets, n_changes, start, fee, slippage, sums[fold])


@njit(cache=True, nogil=True)
def score_thresholds_nb(
    rows: FloatArray,
    close: FloatArray,
    table: FloatArray,
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
    bars = np.empty(close.shape[0] + 1, dtype=np.int64)
    targets = np.empty(close.shape[0] + 1, dtype=np.int64)
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
        score_bits_nb(
            rows,
            close,
            table,
            longs,
            shorts,
            folds,
            bars,
            targets,
            fee,
            slippage,
            sums[candidate],
        )
