"""Score positions that are -1, 0 or 1, given as bits, with work only where the position changes.

Between two fills a position's equity is known in closed form, so the sums that a Sharpe ratio needs come
from prefix sums of the market's returns (long), from one pass in vectors (short) or are nothing (flat),
and the drawdown from bounds by blocks of bars. Time is taken in tiles that stay in the cache while every
candidate passes over them. The accounting is that of `kernels.ledger_nb`; candidates for which the
shortcut could differ from it (ruin, a trade that breaks even, returns that hardly vary) are handed back.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from trainingday.backtest.drawdown_search import greater_nb, lesser_nb, search_holds_nb
from trainingday.backtest.market_tables import CLOSE, OPEN, SQUARES, SUM
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
from trainingday.backtest.short_sums import short_sums
from trainingday.typing import FloatArray, IntArray

# Columns of an account: what its scores are made of, then where it stands between two tiles.
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
POSITION, BASE, SLOPE, ENTRY_PRICE, EQUITY, PEAK, FILLED = range(N_SUMS, N_SUMS + 7)
N_ACCOUNT = N_SUMS + 7

BREAK_EVEN = 1e-12

# Bars of a tile: its rows, closes and indicator together fit a core's cache of 1 MB.
TILE_WORDS = 192
TILE_BARS = TILE_WORDS * WORD_BITS


class Market(NamedTuple):
    """Tables of one market, see `market_tables`, and the costs."""

    rows: FloatArray
    close: FloatArray
    extremes: FloatArray
    offsets: IntArray
    fee: float
    slippage: float


class Holds(NamedTuple):
    """Room for the holds of one tile, used anew by every candidate.

    Hold i runs from the fill on bar `bars[i]` to the close before `bars[i + 1]`, where `targets[i]` is
    filled; its equity is `cash[i] + units[i] * close`. `shorts` names the short ones, `limits` the prices
    that would ruin them.
    """

    bars: IntArray
    targets: FloatArray
    cash: FloatArray
    units: FloatArray
    shorts: IntArray
    limits: FloatArray


@njit(cache=True, nogil=True)
def _room_nb() -> Holds:
    size = TILE_BARS + 2
    bars, shorts = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    return Holds(bars, np.empty(size), np.empty(size), np.empty(size), shorts, np.empty(size))


@njit(cache=True, nogil=True)
def open_account_nb(account: FloatArray, start: int) -> None:
    """Make it the account, shape (19,), of someone flat with an equity of 1 at bar `start`."""
    account[:] = 0.0
    account[FINAL_EQUITY] = account[BASE] = account[EQUITY] = account[PEAK] = account[ENTRY_PRICE] = 1.0
    account[FILLED] = start


@njit(cache=True, nogil=True)
def changes_nb(
    longs: WordArray, shorts: WordArray, tile: int, first: int, stop: int, position: float, holds: Holds
) -> int:
    """Write the fills of the changes of target on bars first..stop-1; return how many.

    Parameters
    ----------
    longs, shorts : ndarray of uint64
        Positions from the bar `tile` on, a multiple of 64.
    position : float
        Target on the bar before; 0 where `first` is no multiple of 64.
    """
    first_word, last_word = (first - tile) >> 6, (stop - 1 - tile) >> 6
    was_long, was_short = ONE if position > 0.0 else ZERO, ONE if position < 0.0 else ZERO
    n_changes = 0
    for word in range(first_word, last_word + 1):
        window = ALL_BARS
        if word == first_word:
            window <<= np.uint64(first & 63)
        if word == last_word:
            window &= ALL_BARS >> np.uint64(63 - ((stop - 1) & 63))
        long, short = longs[word] & window, shorts[word] & window
        changes = (long ^ ((long << ONE) | was_long)) | (short ^ ((short << ONE) | was_short))
        changes &= window
        was_long, was_short = long >> TOP_BIT, short >> TOP_BIT
        next_bar = tile + word * WORD_BITS + 1
        while changes != ZERO:
            bit = lowest_bit(changes)
            changes &= changes - ONE
            shift = np.uint64(bit)
            holds.targets[n_changes] = float((long >> shift) & ONE) - float((short >> shift) & ONE)
            n_changes += 1
            holds.bars[n_changes] = next_bar + bit
    return n_changes


@njit(cache=True, nogil=True, error_model="numpy")
def trade_nb(market: Market, holds: Holds, n_changes: int, account: FloatArray) -> int:
    """Fill the changes one after the other; return the number of short holds that ended.

    Notes
    -----
    Per unit of the equity before a fill, equity at a price p is base + slope * p until the next fill:
    slope 1 / ((1 + fee) * fill price) and base 0 for a long, minus that and 2 / (1 + fee) for a short,
    0 and 1 when flat. Little but one product links one fill to the next, and nothing branches on the
    position, since which way that goes is unpredictable. DEEPEST is lowered to the deepest drawdown at
    the closes before fills: for `search_holds_nb` to begin with.
    """
    rows, bars, fee = market.rows, holds.bars, market.fee
    inverse = 1.0 / (1.0 + fee)
    buy, sell = 1.0 + market.slippage, 1.0 - market.slippage
    cost_buy, cost_sell = fee + (1.0 - 1.0 / buy), fee + (1.0 / sell - 1.0)
    position, base, slope, entry_price = account[POSITION], account[BASE], account[SLOPE], account[ENTRY_PRICE]
    equity, peak, lowest = account[EQUITY], account[PEAK], 1.0 + account[DEEPEST]
    peak_inverse = 1.0 / peak
    total, squares, n_closed, n_won = 0.0, 0.0, 0.0, 0.0
    won, lost, traded, held, paid = 0.0, 0.0, 0.0, 0.0, 0.0
    n_shorts, is_odd = 0, False
    for change in range(n_changes):
        filled, bar, target = bars[change], bars[change + 1], holds.targets[change]
        # Hold to the close before the fill.
        last = base + slope * rows[bar - 1, CLOSE]
        is_long, is_held = greater_nb(position, 0.0), abs(position)
        total += is_long * (rows[bar - 1, SUM] - rows[filled, SUM])
        squares += is_long * (rows[bar - 1, SQUARES] - rows[filled, SQUARES])
        held += is_held * (bar - filled)
        holds.cash[change], holds.units[change] = equity * base, equity * slope
        holds.shorts[n_shorts], holds.limits[n_shorts] = change, 2.0 * entry_price
        n_shorts += 1 if position < 0.0 else 0
        if equity * last > peak:
            peak = equity * last
            peak_inverse = 1.0 / peak
        lowest = lesser_nb(lowest, equity * last * peak_inverse)
        # Close what is held, then open what is wanted, both at one price.
        price = rows[bar, OPEN] * (buy if target > position else sell)
        value = abs(slope) * price
        before = base + slope * price
        share = value / before
        growth = before - fee * value
        profit = equity * (growth - 1.0)
        n_closed += is_held
        n_won += 1.0 if profit > 0.0 else 0.0
        won += greater_nb(profit, 0.0)
        lost += greater_nb(-profit, 0.0)
        is_odd |= (is_held > 0.0) & ((abs(growth - 1.0) <= BREAK_EVEN) | (growth <= 0.0) | (last <= 0.0))
        is_opened = inverse * abs(target)
        traded += share + (1.0 - fee * share) * is_opened
        # Slippage is paid on units, value over price.
        paid += equity * (value + growth * is_opened) * (cost_buy if target > position else cost_sell)
        equity *= growth
        base = is_opened * (1.0 - target) + (1.0 - abs(target))
        slope = target * inverse / price
        entry_price, position = price, target
        step = growth * (base + slope * rows[bar, CLOSE]) / last - 1.0
        total += step
        squares += step * step
    account[POSITION], account[BASE], account[SLOPE], account[ENTRY_PRICE] = position, base, slope, entry_price
    account[EQUITY], account[DEEPEST] = equity, lowest - 1.0
    account[RETURN_SUM] += total
    account[RETURN_SQUARES] += squares
    account[N_CLOSED] += n_closed
    account[N_WON] += n_won
    account[WON] += won
    account[LOST] += lost
    account[TRADED] += traded
    account[HELD] += held
    account[COSTS] += paid
    account[NEEDS_LEDGER] += 1.0 if is_odd else 0.0
    return n_shorts


@njit(cache=True, nogil=True)
def _end_nb(market: Market, holds: Holds, n_changes: int, n_shorts: int, account: FloatArray) -> int:
    """Hold to the last close, the one before the last of `holds.bars`; return the number of short holds."""
    rows, filled, bar = market.rows, holds.bars[n_changes], holds.bars[n_changes + 1]
    position, equity = account[POSITION], account[EQUITY]
    account[FINAL_EQUITY] = equity * (account[BASE] + account[SLOPE] * rows[bar - 1, CLOSE])
    account[HELD] += abs(position) * (bar - filled)
    if position > 0.0:
        account[RETURN_SUM] += rows[bar - 1, SUM] - rows[filled, SUM]
        account[RETURN_SQUARES] += rows[bar - 1, SQUARES] - rows[filled, SQUARES]
    holds.cash[n_changes], holds.units[n_changes] = equity * account[BASE], equity * account[SLOPE]
    holds.shorts[n_shorts], holds.limits[n_shorts] = n_changes, 2.0 * account[ENTRY_PRICE]
    return n_shorts + (1 if position < 0.0 else 0)


@njit(cache=True, nogil=True)
def score_tile_nb(
    market: Market,
    longs: WordArray,
    shorts: WordArray,
    tile: int,
    tile_stop: int,
    start: int,
    stop: int,
    holds: Holds,
    account: FloatArray,
) -> None:
    """Bring an account that began at bar `start`, and ends before `stop`, over the bars of one tile.

    Parameters
    ----------
    longs, shorts : ndarray of uint64
        Positions on bars `tile` (a multiple of 64) to `tile_stop` - 1.
    account : ndarray of shape (19,)
        From `open_account_nb`, then brought over every tile before. With NEEDS_LEDGER > 0 the scores mean
        nothing.
    """
    first, is_end = max(start, tile), stop <= tile_stop
    last = min(stop - 1, tile_stop)
    holds.bars[0] = int(account[FILLED])
    n_holds = 0
    if first < last:
        n_holds = changes_nb(longs, shorts, tile, first, last, account[POSITION], holds)
    deepest = account[DEEPEST]
    n_shorts = trade_nb(market, holds, n_holds, account)
    account[FILLED] = holds.bars[n_holds]
    if is_end:
        holds.bars[n_holds + 1] = stop
        n_shorts = _end_nb(market, holds, n_holds, n_shorts, account)
        n_holds += 1
    total, squares = 0.0, 0.0
    for short in range(n_shorts):
        hold = holds.shorts[short]
        part, part_squares = short_sums(
            market.close, holds.bars[hold] + 1, holds.bars[hold + 1], holds.limits[short]
        )
        total += part
        squares += part_squares
    account[RETURN_SUM] += total
    account[RETURN_SQUARES] += squares
    account[PEAK], deepest = search_holds_nb(
        market.close,
        market.extremes,
        market.offsets,
        holds.bars,
        holds.cash,
        holds.units,
        n_holds,
        account[PEAK],
        lesser_nb(deepest, account[DEEPEST]),
    )
    account[DEEPEST] = deepest
    if deepest <= -1.0:
        account[NEEDS_LEDGER] += 1.0


@njit(cache=True, nogil=True)
def score_bits_nb(
    rows: FloatArray,
    close: FloatArray,
    extremes: FloatArray,
    offsets: IntArray,
    longs: WordArray,
    shorts: WordArray,
    folds: IntArray,
    fee: float,
    slippage: float,
    accounts: FloatArray,
) -> None:
    """Fill the accounts, shape (n_folds, 19), of one candidate's positions given as bits.

    Parameters
    ----------
    folds : ndarray of shape (n_folds, 2), int64
        First bar and stop of each.
    """
    market, holds = Market(rows, close, extremes, offsets, fee, slippage), _room_nb()
    for fold in range(folds.shape[0]):
        start, stop = folds[fold, 0], folds[fold, 1]
        open_account_nb(accounts[fold], start)
        for tile in range(start // WORD_BITS, (stop + WORD_BITS - 1) // WORD_BITS, TILE_WORDS):
            end = min(tile + TILE_WORDS, longs.shape[0])
            score_tile_nb(
                market,
                longs[tile:end],
                shorts[tile:end],
                tile * WORD_BITS,
                end * WORD_BITS,
                start,
                stop,
                holds,
                accounts[fold],
            )


@njit(cache=True, nogil=True)
def score_thresholds_nb(
    rows: FloatArray,
    close: FloatArray,
    extremes: FloatArray,
    offsets: IntArray,
    indicator: FloatArray,
    has_late_nan: bool,
    thresholds: FloatArray,
    order: IntArray,
    folds: IntArray,
    fee: float,
    slippage: float,
    accounts: FloatArray,
) -> None:
    """Fill the accounts of the candidates in `order`, which share one indicator.

    Parameters
    ----------
    indicator : ndarray of shape (n_words * 64,)
        Padded at its end with NaN.
    thresholds : ndarray of shape (n_candidates, 4)
        Of every candidate; `order` says which rows are meant.
    folds : ndarray of shape (n_folds, 2), int64
        First bar and stop of each.
    accounts : ndarray of shape (n_candidates, n_folds, 19)
        Out.
    """
    market, holds = Market(rows, close, extremes, offsets, fee, slippage), _room_nb()
    n_words = indicator.shape[0] // WORD_BITS
    longs, shorts = np.empty(TILE_WORDS, dtype=np.uint64), np.empty(TILE_WORDS, dtype=np.uint64)
    exits = np.empty((2, TILE_WORDS), dtype=np.uint64)
    states = np.zeros((order.shape[0], 2), dtype=np.uint64)
    for candidate in order:
        for fold in range(folds.shape[0]):
            open_account_nb(accounts[candidate, fold], folds[fold, 0])
    for tile in range(0, n_words, TILE_WORDS):
        end = min(tile + TILE_WORDS, n_words)
        part = indicator[tile * WORD_BITS : end * WORD_BITS]
        last_exit_long, last_exit_short = np.nan, np.nan
        for row in range(order.shape[0]):
            candidate = order[row]
            enter_long, exit_long, enter_short, exit_short = thresholds[candidate]
            if exit_long == enter_long and exit_short == enter_short and not has_late_nan:
                memoryless_bits_nb(part, enter_long, enter_short, longs, shorts)
            else:
                if exit_long != last_exit_long or exit_short != last_exit_short:
                    exit_bits_nb(part, exit_long, exit_short, exits)
                    last_exit_long, last_exit_short = exit_long, exit_short
                latched_bits_nb(part, enter_long, enter_short, exits, states[row], longs, shorts)
            for fold in range(folds.shape[0]):
                start, stop = folds[fold, 0], folds[fold, 1]
                if start < end * WORD_BITS and stop > tile * WORD_BITS:
                    score_tile_nb(
                        market,
                        longs,
                        shorts,
                        tile * WORD_BITS,
                        end * WORD_BITS,
                        start,
                        stop,
                        holds,
                        accounts[candidate, fold],
                    )
