"""Score positions that are -1, 0 or 1, given as bits, with work only where the position changes.

Between two fills a position's equity is known in closed form, so the sums that a Sharpe ratio needs come
from prefix sums of the market's returns (long), from one pass in vectors (short) or are nothing (flat),
and the drawdown from bounds by blocks of bars. Time is taken in tiles that stay in the cache while every
candidate passes over them. The accounting is that of `kernels.ledger_nb`; candidates for which the
shortcut could differ from it (ruin, a trade that breaks even, returns that hardly vary) are handed back.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from trainingday.backtest.channels import ENTER, LEAVE
from trainingday.backtest.drawdown_search import lesser_nb, search_holds_nb
from trainingday.backtest.fills import (
    FILLED,
    LOWEST,
    NEEDS_LEDGER,
    PEAK,
    POSITION,
    RETURN_SQUARES,
    RETURN_SUM,
    TARGET_AT,
    TILE_BARS,
    TILE_WORDS,
    Holds,
    Market,
    end_account_nb,
    fill_changes_nb,
    open_account_nb,
    room_nb,
)
from trainingday.backtest.market_tables import late_nan_nb, whole_words_nb
from trainingday.backtest.masks import (
    ALL_BARS,
    ONE,
    TOP_BIT,
    WORD_BITS,
    ZERO,
    WordArray,
    channel_bits_nb,
    exit_bits_nb,
    latched_bits_nb,
    lowest_bit,
    memoryless_bits_nb,
)
from trainingday.backtest.short_sums import short_sums
from trainingday.typing import FloatArray, IntArray


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
            n_changes += 1
            target = float((long >> shift) & ONE) - float((short >> shift) & ONE)
            holds.work[TARGET_AT + n_changes] = target
            holds.bars[n_changes] = next_bar + bit
    return n_changes


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
    account : ndarray of shape (17,)
        From `open_account_nb`, then brought over every tile before. With NEEDS_LEDGER > 0 the scores mean
        nothing.
    """
    first, is_end = max(start, tile), stop <= tile_stop
    last = min(stop - 1, tile_stop)
    holds.bars[0] = int(account[FILLED])
    n_holds = 0
    if first < last:
        n_holds = changes_nb(longs, shorts, tile, first, last, account[POSITION], holds)
    lowest = account[LOWEST]
    n_shorts = fill_changes_nb(market, holds, n_holds, account)
    if is_end:
        n_shorts = end_account_nb(market, holds, n_holds, n_shorts, stop, account)
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
    account[PEAK], account[LOWEST] = search_holds_nb(
        market.close,
        market.extremes,
        market.offsets,
        holds.bars,
        holds.cash,
        holds.units,
        n_holds,
        account[PEAK],
        lesser_nb(lowest, account[LOWEST]),
    )
    if account[LOWEST] <= 0.0:
        account[NEEDS_LEDGER] += 1.0


@njit(cache=True, nogil=True)
def score_folds_nb(
    market: Market,
    longs: WordArray,
    shorts: WordArray,
    tile: int,
    n_words: int,
    folds: IntArray,
    holds: Holds,
    accounts: FloatArray,
) -> None:
    """Bring one candidate's accounts, shape (n_folds, 17), over the tile that begins at word `tile`."""
    first, end = tile * WORD_BITS, (tile + n_words) * WORD_BITS
    for fold in range(folds.shape[0]):
        start, stop = folds[fold, 0], folds[fold, 1]
        if start < end and stop > first:
            score_tile_nb(market, longs, shorts, first, end, start, stop, holds, accounts[fold])


@njit(cache=True, nogil=True)
def open_accounts_nb(folds: IntArray, accounts: FloatArray) -> None:
    """Open every account, shape (n_candidates, n_folds, 17)."""
    for candidate in range(accounts.shape[0]):
        for fold in range(folds.shape[0]):
            open_account_nb(accounts[candidate, fold], folds[fold, 0])


@njit(cache=True, nogil=True)
def score_bits_nb(
    market: Market, longs: WordArray, shorts: WordArray, folds: IntArray, accounts: FloatArray
) -> None:
    """Bring the accounts, shape (n_folds, 17), of one candidate over positions given as bits.

    Parameters
    ----------
    folds : ndarray of shape (n_folds, 2), int64
        First bar and stop of each.
    """
    holds = room_nb()
    for tile in range(0, longs.shape[0], TILE_WORDS):
        end = min(tile + TILE_WORDS, longs.shape[0])
        score_folds_nb(market, longs[tile:end], shorts[tile:end], tile, end - tile, folds, holds, accounts)


@njit(cache=True, nogil=True)
def score_thresholds_nb(
    market: Market,
    indicator: FloatArray,
    start: int,
    had_number: bool,
    thresholds: FloatArray,
    order: IntArray,
    folds: IntArray,
    states: WordArray,
    accounts: FloatArray,
) -> bool:
    """Bring the accounts of the candidates in `order`, which share one indicator, over a stretch of bars.

    Parameters
    ----------
    indicator : ndarray of shape (n_bars,)
        From bar `start` on, a multiple of a tile's bars; but for the last stretch, so is its length.
    had_number : bool
        Whether it was a number on any bar before; returned for the next stretch.
    thresholds : ndarray of shape (n_candidates, 4)
        Of every candidate; `order` says which rows are meant.
    folds : ndarray of shape (n_folds, 2), int64
        First bar and stop of each.
    states : ndarray of shape (n_candidates, 2), uint64
        In and out: zeros before the first stretch, see `latched_bits_nb`.
    accounts : ndarray of shape (n_candidates, n_folds, 17)
        In and out, from `open_accounts_nb`.
    """
    holds, room = room_nb(), np.empty(TILE_BARS)
    longs, shorts = np.empty(TILE_WORDS, dtype=np.uint64), np.empty(TILE_WORDS, dtype=np.uint64)
    exits = np.empty((2, TILE_WORDS), dtype=np.uint64)
    for first in range(0, indicator.shape[0], TILE_BARS):
        part = whole_words_nb(indicator[first : first + TILE_BARS], room)
        has_late_nan, had_number = late_nan_nb(indicator[first : first + TILE_BARS], had_number)
        last_exit_long, last_exit_short = np.nan, np.nan
        n_words = part.shape[0] // WORD_BITS
        for candidate in order:
            enter_long, exit_long, enter_short, exit_short = thresholds[candidate]
            if exit_long == enter_long and exit_short == enter_short and not has_late_nan:
                memoryless_bits_nb(part, enter_long, enter_short, longs, shorts)
                states[candidate, 0] = longs[n_words - 1] >> TOP_BIT
                states[candidate, 1] = shorts[n_words - 1] >> TOP_BIT
            else:
                if exit_long != last_exit_long or exit_short != last_exit_short:
                    exit_bits_nb(part, exit_long, exit_short, exits)
                    last_exit_long, last_exit_short = exit_long, exit_short
                latched_bits_nb(part, enter_long, enter_short, exits, states[candidate], longs, shorts)
            tile = (start + first) // WORD_BITS
            score_folds_nb(market, longs, shorts, tile, n_words, folds, holds, accounts[candidate])
    return had_number


@njit(cache=True, nogil=True)
def score_channels_nb(
    market: Market,
    since_high: FloatArray,
    since_low: FloatArray,
    channels: FloatArray,
    folds: IntArray,
    accounts: FloatArray,
) -> None:
    """Bring the accounts of every candidate of channels over all bars.

    Parameters
    ----------
    since_high, since_low : ndarray of shape (n_bars,)
        As in `channel_positions_nb`.
    channels : ndarray of shape (n_candidates, 2)
        Bars of the entry and of the exit channel.
    folds, accounts : ndarray
        As in `score_thresholds_nb`.
    """
    holds, room_high, room_low = room_nb(), np.empty(TILE_BARS), np.empty(TILE_BARS)
    longs, shorts = np.empty(TILE_WORDS, dtype=np.uint64), np.empty(TILE_WORDS, dtype=np.uint64)
    states = np.zeros((channels.shape[0], 2), dtype=np.uint64)
    for first in range(0, since_high.shape[0], TILE_BARS):
        highs = whole_words_nb(since_high[first : first + TILE_BARS], room_high)
        lows = whole_words_nb(since_low[first : first + TILE_BARS], room_low)
        n_words = highs.shape[0] // WORD_BITS
        for row in range(channels.shape[0]):
            enter, leave = channels[row, ENTER], channels[row, LEAVE]
            channel_bits_nb(highs, lows, enter, leave, states[row], longs, shorts)
            score_folds_nb(market, longs, shorts, first // WORD_BITS, n_words, folds, holds, accounts[row])
