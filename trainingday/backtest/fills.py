"""Fill many changes of a position that is -1, 0 or 1: gather, work in vectors, then add up in order.

Per unit of the equity before a fill, equity at a price p is base + slope * p until the next fill: slope
1 / ((1 + fee) * fill price) and base 0 for a long, minus that and 2 / (1 + fee) for a short, 0 and 1 when
flat. So all but the equity itself depends on two neighbouring fills alone and four are worked out at once.
Nothing branches on the position, since which way that goes is unpredictable.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from trainingday.backtest.drawdown_search import greater_nb, lesser_nb
from trainingday.backtest.market_tables import CLOSE, OPEN, SQUARES, SUM
from trainingday.backtest.masks import WORD_BITS
from trainingday.typing import FloatArray, IntArray

# Bars of a tile: its rows, closes and indicator together fit a core's cache of 1 MB.
TILE_WORDS = 192
TILE_BARS = TILE_WORDS * WORD_BITS
_ROOM = TILE_BARS + 8

# Columns of an account: what its scores are made of, then where it stands between two tiles.
N_SUMS = 12
(
    RETURN_SUM,
    RETURN_SQUARES,
    FINAL_EQUITY,
    LOWEST,
    N_CLOSED,
    N_WON,
    WON,
    LOST,
    TRADED,
    HELD,
    COSTS,
    NEEDS_LEDGER,
) = range(N_SUMS)
POSITION, ENTRY_PRICE, EQUITY, PEAK, FILLED = range(N_SUMS, N_SUMS + 5)
N_ACCOUNT = N_SUMS + 5

# Parts of `Holds.work`, all in one array at fixed distances, which lets the compiler see that they do not
# overlap. Those of the first line hold what the account stood at before the first fill, then each fill's.
_N_WORK = 13
(
    TARGET_AT,
    PRICE_AT,
    SLOPE_AT,
    BASE_AT,
    OPEN_AT,
    CLOSE_AT,
    BEFORE_AT,
    SUM_AT,
    SQUARES_AT,
    LAST_AT,
    GROWTH_AT,
    TRADED_AT,
    PAID_AT,
) = range(0, _N_WORK * _ROOM, _ROOM)
# Not needed any more when the step is known.
STEP_AT = CLOSE_AT

BREAK_EVEN = 1e-12


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

    Hold i runs from the fill on bar `bars[i]` to the close before `bars[i + 1]`; its equity is
    cash[i] + units[i] * close. `shorts` names the short ones, `limits` the prices that would ruin them.
    """

    bars: IntArray
    work: FloatArray
    cash: FloatArray
    units: FloatArray
    shorts: IntArray
    limits: FloatArray


@njit(cache=True, nogil=True)
def room_nb() -> Holds:
    """Return room for one tile."""
    bars, shorts = np.empty(_ROOM, dtype=np.int64), np.empty(_ROOM, dtype=np.int64)
    work = np.empty(_N_WORK * _ROOM)
    return Holds(bars, work, np.empty(_ROOM), np.empty(_ROOM), shorts, np.empty(_ROOM))


@njit(cache=True, nogil=True)
def open_account_nb(account: FloatArray, start: int) -> None:
    """Make it the account, shape (17,), of someone flat with an equity of 1 at bar `start`."""
    account[:] = 0.0
    account[FINAL_EQUITY] = account[ENTRY_PRICE] = account[EQUITY] = 1.0
    account[PEAK] = account[LOWEST] = 1.0
    account[FILLED] = start


@njit(cache=True, nogil=True)
def _gather_nb(rows: FloatArray, bars: IntArray, n_changes: int, work: FloatArray) -> None:
    """Read the market around every fill; a loop so short has many reads under way at once."""
    total, squares = rows[bars[0], SUM], rows[bars[0], SQUARES]
    for change in range(n_changes):
        bar = bars[change + 1]
        work[OPEN_AT + change] = rows[bar, OPEN]
        work[CLOSE_AT + change] = rows[bar, CLOSE]
        work[BEFORE_AT + change] = rows[bar - 1, CLOSE]
        work[SUM_AT + change] = rows[bar - 1, SUM] - total
        work[SQUARES_AT + change] = rows[bar - 1, SQUARES] - squares
        total, squares = rows[bar, SUM], rows[bar, SQUARES]


@njit(cache=True, nogil=True, error_model="numpy")
def _price_nb(n_changes: int, fee: float, slippage: float, work: FloatArray) -> None:
    """Work out each fill's price, and slope and base of the equity after it."""
    inverse, buy, sell = 1.0 / (1.0 + fee), 1.0 + slippage, 1.0 - slippage
    for change in range(n_changes):
        position, target = work[TARGET_AT + change], work[TARGET_AT + 1 + change]
        price = work[OPEN_AT + change] * (buy if target > position else sell)
        work[PRICE_AT + 1 + change] = price
        work[SLOPE_AT + 1 + change] = target * inverse / price
        work[BASE_AT + 1 + change] = (1.0 - abs(target)) + abs(target) * inverse * (1.0 - target)


@njit(cache=True, nogil=True, error_model="numpy")
def _settle_nb(n_changes: int, fee: float, slippage: float, work: FloatArray) -> None:
    """Work out, per unit of equity, what each hold comes to and what the fill that ends it does."""
    inverse, buy, sell = 1.0 / (1.0 + fee), 1.0 + slippage, 1.0 - slippage
    # Slippage is paid on units, value over price.
    cost_buy, cost_sell = fee + (1.0 - 1.0 / buy), fee + (1.0 / sell - 1.0)
    for change in range(n_changes):
        position, target = work[TARGET_AT + change], work[TARGET_AT + 1 + change]
        base, slope = work[BASE_AT + change], work[SLOPE_AT + change]
        price = work[PRICE_AT + 1 + change]
        last = base + slope * work[BEFORE_AT + change]
        value, before = abs(slope) * price, base + slope * price
        share, growth = value / before, before - fee * value
        opened = inverse * abs(target)
        now = work[BASE_AT + 1 + change] + work[SLOPE_AT + 1 + change] * work[CLOSE_AT + change]
        work[LAST_AT + change], work[GROWTH_AT + change] = last, growth
        work[TRADED_AT + change] = share + (1.0 - fee * share) * opened
        work[PAID_AT + change] = (value + growth * opened) * (cost_buy if target > position else cost_sell)
        work[STEP_AT + change] = growth * now / last - 1.0


@njit(cache=True, nogil=True)
def _add_up_nb(holds: Holds, n_changes: int, account: FloatArray) -> int:
    """Pass the equity from hold to hold and add up; return the number of short holds."""
    work, bars = holds.work, holds.bars
    equity, peak, lowest = account[EQUITY], account[PEAK], account[LOWEST]
    peak_inverse = 1.0 / peak
    n_closed, n_won, won, lost, held, paid = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    n_shorts, is_odd = 0, False
    for change in range(n_changes):
        position, growth = work[TARGET_AT + change], work[GROWTH_AT + change]
        last, is_held = equity * work[LAST_AT + change], abs(position)
        holds.cash[change] = equity * work[BASE_AT + change]
        holds.units[change] = equity * work[SLOPE_AT + change]
        holds.shorts[n_shorts], holds.limits[n_shorts] = change, 2.0 * work[PRICE_AT + change]
        n_shorts += 1 if position < 0.0 else 0
        if last > peak:
            peak = last
            peak_inverse = 1.0 / peak
        lowest = lesser_nb(lowest, last * peak_inverse)
        profit = equity * (growth - 1.0)
        n_closed += is_held
        n_won += 1.0 if profit > 0.0 else 0.0
        won += greater_nb(profit, 0.0)
        lost += greater_nb(-profit, 0.0)
        held += is_held * (bars[change + 1] - bars[change])
        paid += equity * work[PAID_AT + change]
        is_odd |= (is_held > 0.0) & ((abs(growth - 1.0) <= BREAK_EVEN) | (growth <= 0.0) | (last <= 0.0))
        equity *= growth
    account[EQUITY], account[LOWEST] = equity, lowest
    account[N_CLOSED] += n_closed
    account[N_WON] += n_won
    account[WON] += won
    account[LOST] += lost
    account[HELD] += held
    account[COSTS] += paid
    account[NEEDS_LEDGER] += 1.0 if is_odd else 0.0
    return n_shorts


@njit(cache=True, nogil=True)
def _add_returns_nb(work: FloatArray, n_changes: int, account: FloatArray) -> None:
    """Add the returns of long holds, from prefix sums, those across fills, and the traded value."""
    total, squares, steps, step_squares, traded = 0.0, 0.0, 0.0, 0.0, 0.0
    for change in range(n_changes):
        is_long, step = greater_nb(work[TARGET_AT + change], 0.0), work[STEP_AT + change]
        total += is_long * work[SUM_AT + change]
        squares += is_long * work[SQUARES_AT + change]
        steps += step
        step_squares += step * step
        traded += work[TRADED_AT + change]
    account[RETURN_SUM] += total + steps
    account[RETURN_SQUARES] += squares + step_squares
    account[TRADED] += traded


@njit(cache=True, nogil=True)
def _begin_nb(fee: float, account: FloatArray, work: FloatArray) -> None:
    position, price, inverse = account[POSITION], account[ENTRY_PRICE], 1.0 / (1.0 + fee)
    work[TARGET_AT], work[PRICE_AT], work[SLOPE_AT] = position, price, position * inverse / price
    work[BASE_AT] = (1.0 - abs(position)) + abs(position) * inverse * (1.0 - position)


@njit(cache=True, nogil=True)
def fill_changes_nb(market: Market, holds: Holds, n_changes: int, account: FloatArray) -> int:
    """Fill the changes one after the other; return the number of short holds that ended.

    Parameters
    ----------
    holds : Holds
        With `bars`: the bar of the fill before, then those of the fills; and the targets at
        work[TARGET_AT + 1] and following. What the others hold is written here.
    account : ndarray of shape (17,)
        In and out. LOWEST, equity over peak at its lowest, is brought to that at the closes before fills, for
        `search_holds_nb` to begin with; PEAK is left to that.
    """
    work = holds.work
    _begin_nb(market.fee, account, work)
    _gather_nb(market.rows, holds.bars, n_changes, work)
    _price_nb(n_changes, market.fee, market.slippage, work)
    _settle_nb(n_changes, market.fee, market.slippage, work)
    n_shorts = _add_up_nb(holds, n_changes, account)
    _add_returns_nb(work, n_changes, account)
    account[POSITION], account[ENTRY_PRICE] = work[TARGET_AT + n_changes], work[PRICE_AT + n_changes]
    account[FILLED] = holds.bars[n_changes]
    return n_shorts


@njit(cache=True, nogil=True)
def end_account_nb(
    market: Market, holds: Holds, n_changes: int, n_shorts: int, stop: int, account: FloatArray
) -> int:
    """Hold from the last fill to the close of bar stop - 1; return the number of short holds."""
    rows, work, filled = market.rows, holds.work, int(account[FILLED])
    base, slope = work[BASE_AT + n_changes], work[SLOPE_AT + n_changes]
    position, equity = account[POSITION], account[EQUITY]
    holds.bars[n_changes + 1] = stop
    account[FINAL_EQUITY] = equity * (base + slope * rows[stop - 1, CLOSE])
    account[HELD] += abs(position) * (stop - filled)
    if position > 0.0:
        account[RETURN_SUM] += rows[stop - 1, SUM] - rows[filled, SUM]
        account[RETURN_SQUARES] += rows[stop - 1, SQUARES] - rows[filled, SQUARES]
    holds.cash[n_changes], holds.units[n_changes] = equity * base, equity * slope
    holds.shorts[n_shorts], holds.limits[n_shorts] = n_changes, 2.0 * account[ENTRY_PRICE]
    return n_shorts + (1 if position < 0.0 else 0)
