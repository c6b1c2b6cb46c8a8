"""The one accounting: a ledger of cash and units that fills at the next bar's open."""

from __future__ import annotations

import numpy as np
from numba import njit

from trainingday.backtest.hold_values import hold_values
from trainingday.backtest.lanes import N_LANES
from trainingday.backtest.masks import ONE, WORD_BITS, ZERO, changed_64, lowest_bit
from trainingday.typing import FloatArray, IntArray

# Rows of the trade table; the exit price of an open trade is not written.
N_TRADE_ROWS = 8
DIRECTION, SIZE, ENTRY_PRICE, EXIT_PRICE, FEES, NET_PROFIT, EXIT_SIZE, EXIT_VALUE = range(N_TRADE_ROWS)

NO_RUIN = -1

INFINITY_BITS = np.uint64(0x7FF0000000000000)


@njit(cache=True, nogil=True, inline="always")
def fill_nb(
    cash: float, units: float, open_price: float, target: float, fee: float, slippage: float
) -> tuple[float, float, float, float]:
    """Return cash, units, fill price and fee after trading to `target` of the equity that is left.

    Notes
    -----
    The new position's value V' solves V' = f * (E - fee * |V' - V|), with E and V at the fill price:
    buying V' = f (E + fee V) / (1 + f fee), selling V' = f (E - fee V) / (1 - f fee). Where neither
    direction is consistent the position lies within the cost band and nothing is traded (fee 0).
    """
    price = open_price * (1.0 + slippage)
    value = units * price
    new_value = target * (cash + value + fee * value) / (1.0 + target * fee)
    if not new_value > value:
        price = open_price * (1.0 - slippage)
        value = units * price
        new_value = target * (cash + value - fee * value) / (1.0 - target * fee)
        if not new_value < value:
            return cash, units, price, 0.0
    paid = fee * abs(new_value - value)
    return cash - (new_value - value) - paid, new_value / price, price, paid


@njit(cache=True, nogil=True)
def fill_bars_nb(positions: FloatArray) -> IntArray:
    """Return the bars at whose open a changed target is filled, shape (n_changes,), starting from flat.

    Notes
    -----
    The target of bar t is filled on bar t + 1, the last bar's never.
    """
    n_targets = max(positions.shape[0] - 1, 0)
    bars = np.empty(n_targets, dtype=np.int64)
    n_changes = 0
    if n_targets and positions[0] != 0.0:
        bars[0] = 1
        n_changes = 1
    n_whole = max(n_targets - 1, 0) // WORD_BITS * WORD_BITS
    for start in range(1, 1 + n_whole, WORD_BITS):
        changes = changed_64(positions, start)
        while changes != ZERO:
            bars[n_changes] = start + 1 + lowest_bit(changes)
            n_changes += 1
            changes &= changes - ONE
    for bar in range(1 + n_whole, n_targets):
        if positions[bar] != positions[bar - 1]:
            bars[n_changes] = bar + 1
            n_changes += 1
    return bars[:n_changes].copy()


@njit(cache=True, nogil=True)
def _n_bad_prices_nb(prices: FloatArray) -> int:
    """Return how many prices are not finite or not > 0."""
    # Their bits, less one, count as a whole number from that of infinity on.
    bits, n_bad = prices.view(np.uint64), 0
    for bar in range(bits.shape[0]):
        n_bad += 1 if bits[bar] - ONE >= INFINITY_BITS - ONE else 0
    return n_bad


@njit(cache=True, nogil=True)
def first_bad_bar_nb(timestamps: IntArray, open_: FloatArray, close: FloatArray) -> int:
    """Return the first bar with a non-positive or non-finite price or a time not after the last, or -1."""
    # All bars at once, without branches; only unsound bars are looked for one by one.
    before, after, n_late = timestamps[:-1], timestamps[1:], 0
    for bar in range(after.shape[0]):
        n_late += 1 if after[bar] <= before[bar] else 0
    if n_late + _n_bad_prices_nb(open_) + _n_bad_prices_nb(close) == 0:
        return -1
    for bar in range(close.shape[0]):
        if not (0.0 < open_[bar] < np.inf and 0.0 < close[bar] < np.inf):
            return bar
        if bar and timestamps[bar] <= timestamps[bar - 1]:
            return bar
    return -1


@njit(cache=True, nogil=True)
def first_bad_position_nb(positions: FloatArray) -> int:
    """Return the first position outside [-1, 1] (NaN included), or -1."""
    is_sound = True
    for bar in range(positions.shape[0]):
        is_sound &= (positions[bar] >= -1.0) & (positions[bar] <= 1.0)
    if is_sound:
        return -1
    for bar in range(positions.shape[0]):
        if not -1.0 <= positions[bar] <= 1.0:
            return bar
    return -1


@njit(cache=True, nogil=True, forceinline=True)
def _open_trade_nb(
    table: FloatArray, bars: IntArray, row: int, bar: int, units: float, price: float, paid: float
) -> None:
    bars[0, row] = bar
    bars[1, row] = -1
    table[DIRECTION, row] = 1.0 if units > 0 else -1.0
    table[SIZE, row] = abs(units)
    table[ENTRY_PRICE, row] = price
    table[FEES, row] = paid
    table[NET_PROFIT, row] = -units * price - paid
    table[EXIT_SIZE, row] = table[EXIT_VALUE, row] = 0.0


@njit(cache=True, nogil=True, forceinline=True)
def _reduce_trade_nb(table: FloatArray, row: int, units_sold: float, price: float, paid: float) -> None:
    table[EXIT_SIZE, row] += abs(units_sold)
    table[EXIT_VALUE, row] += abs(units_sold) * price
    table[FEES, row] += paid
    table[NET_PROFIT, row] += units_sold * price - paid


@njit(cache=True, nogil=True, forceinline=True)
def _add_to_trade_nb(table: FloatArray, row: int, units_bought: float, price: float, paid: float) -> None:
    size = table[SIZE, row] + abs(units_bought)
    table[ENTRY_PRICE, row] += (price - table[ENTRY_PRICE, row]) * abs(units_bought) / size
    table[SIZE, row] = size
    table[FEES, row] += paid
    table[NET_PROFIT, row] -= units_bought * price + paid


@njit(cache=True, nogil=True, forceinline=True)
def _close_trade_nb(table: FloatArray, bars: IntArray, row: int, bar: int) -> None:
    bars[1, row] = bar
    table[EXIT_PRICE, row] = table[EXIT_VALUE, row] / table[EXIT_SIZE, row]


@njit(cache=True, nogil=True, forceinline=True)
def _record_fill_nb(
    table: FloatArray,
    bars: IntArray,
    n_trades: int,
    bar: int,
    units: float,
    new_units: float,
    price: float,
    paid: float,
) -> int:
    """Book one fill into the trade table and return the number of trades so far.

    A trade runs from flat, or from a flip, to flat or the next flip. Fees of a flip are shared between
    the closing and the opening trade in proportion to the units.
    """
    row = n_trades - 1
    if units == 0.0:
        _open_trade_nb(table, bars, n_trades, bar, new_units, price, paid)
        return n_trades + 1
    if units * new_units <= 0.0:
        share = abs(units) / abs(new_units - units)
        _reduce_trade_nb(table, row, units, price, paid * share)
        _close_trade_nb(table, bars, row, bar)
        if new_units != 0.0:
            _open_trade_nb(table, bars, n_trades, bar, new_units, price, paid * (1.0 - share))
            return n_trades + 1
        return n_trades
    if abs(new_units) > abs(units):
        _add_to_trade_nb(table, row, new_units - units, price, paid)
    else:
        _reduce_trade_nb(table, row, units - new_units, price, paid)
    return n_trades


@njit(cache=True, nogil=True, forceinline=True)
def _hold_nb(close: FloatArray, first: int, stop: int, cash: float, units: float, equity: FloatArray) -> int:
    """Write the equity at the closes first..stop-1; return the first at or below 0, or -1."""
    # Eight at a time, past `stop` as well: the next hold writes those bars anew.
    n_whole = min(stop, close.shape[0] - N_LANES + 1)
    ruined, bar = hold_values(close, equity, first, n_whole, cash, units)
    while bar < stop:
        equity[bar] = cash + units * close[bar]
        ruined |= equity[bar] <= 0.0
        bar += 1
    if ruined:
        for bar in range(first, stop):
            if equity[bar] <= 0.0:
                return bar
    return NO_RUIN


@njit(cache=True, nogil=True, forceinline=True)
def _hold_with_funding_nb(
    close: FloatArray,
    funding: FloatArray,
    first: int,
    stop: int,
    cash: float,
    units: float,
    equity: FloatArray,
) -> tuple[float, float, int]:
    """Do the same while each close charges its rate; return cash, what was charged, and the bar of ruin."""
    charged = 0.0
    for bar in range(first, stop):
        charge = funding[bar] * units * close[bar]
        cash -= charge
        charged += charge
        equity[bar] = cash + units * close[bar]
        if equity[bar] <= 0.0:
            return cash, charged, bar
    return cash, charged, NO_RUIN


@njit(cache=True, nogil=True)
def ledger_nb(
    open_: FloatArray,
    close: FloatArray,
    positions: FloatArray,
    fill_bars: IntArray,
    funding: FloatArray,
    fee: float,
    slippage: float,
    equity: FloatArray,
    table: FloatArray,
    bars: IntArray,
    totals: FloatArray,
) -> tuple[int, int]:
    """Fill `equity` and the trade table; return the number of trades and the bar of ruin (or -1).

    Parameters
    ----------
    open_, close, positions, equity : ndarray of shape (n_bars,)
        `positions[t]` is filled at `open_[t + 1]`; the last one is never filled. Equity starts at 1.
    fill_bars : ndarray of shape (n_changes,), int64
        From `fill_bars_nb`.
    funding : ndarray of shape (n_bars,) or (0,)
        Rate charged at each close on the position's value: longs pay a positive rate, shorts receive it.
    table, bars : ndarray of shape (8, >= n_changes) and (2, >= n_changes)
        Out, a column per trade: see the names of rows above; entry and exit bar, -1 where still open.
    totals : ndarray of shape (4,)
        Out: fees, slippage cost, sum of traded value over equity, bars in position.
    """
    n_bars, n_changes = close.shape[0], fill_bars.shape[0]
    cash, units, n_trades, ruined_at = 1.0, 0.0, 0, NO_RUIN
    fees, slipped, traded, held = 0.0, 0.0, 0.0, 0
    equity[: fill_bars[0] if n_changes else n_bars] = 1.0
    for change in range(n_changes):
        bar, stop = fill_bars[change], fill_bars[change + 1] if change + 1 < n_changes else n_bars
        old_units = units
        cash, units, price, paid = fill_nb(cash, old_units, open_[bar], positions[bar - 1], fee, slippage)
        if units != old_units:
            fees += paid
            slipped += abs(units - old_units) * abs(price - open_[bar])
            n_trades = _record_fill_nb(table, bars, n_trades, bar, old_units, units, price, paid)
            if cash + units * price <= 0.0:
                ruined_at = bar
                break
            traded += abs(units - old_units) * price / (cash + units * price + paid)
        if units != 0.0 and funding.shape[0]:
            cash, charged, ruined_at = _hold_with_funding_nb(close, funding, bar, stop, cash, units, equity)
            table[NET_PROFIT, n_trades - 1] -= charged
        else:
            ruined_at = _hold_nb(close, bar, stop, cash, units, equity)
        last = stop - 1 if ruined_at == NO_RUIN else ruined_at
        held += last - bar + 1 if units != 0.0 else 0
        if ruined_at != NO_RUIN:
            break
    if ruined_at != NO_RUIN:
        equity[ruined_at:] = 0.0
        _settle_ruin_nb(table, bars, n_trades, ruined_at, cash, units, close[ruined_at])
    totals[0], totals[1], totals[2], totals[3] = fees, slipped, traded, held
    return n_trades, ruined_at


@njit(cache=True, nogil=True)
def _settle_ruin_nb(
    table: FloatArray, bars: IntArray, n_trades: int, bar: int, cash: float, units: float, price: float
) -> None:
    """Close the trade that ruined the account; the lender bears what is owed beyond the equity."""
    row = n_trades - 1
    debt = cash
    if units != 0.0:
        debt += units * price
        _reduce_trade_nb(table, row, units, price, 0.0)
        _close_trade_nb(table, bars, row, bar)
    table[NET_PROFIT, row] -= debt
