"""The one accounting: a ledger of cash and units that fills at the next bar's open."""

from __future__ import annotations

import numpy as np
from numba import njit

from trainingday.typing import FloatArray, IntArray

# Columns of the trade table, in the order of `Trades`.
N_TRADE_COLUMNS = 8
DIRECTION, SIZE, ENTRY_PRICE, EXIT_PRICE, FEES, NET_PROFIT, EXIT_SIZE, EXIT_VALUE = range(N_TRADE_COLUMNS)

NO_RUIN = -1


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
def count_changes_nb(positions: FloatArray) -> int:
    """Return how often the target changes on bars 0..n-2, starting from flat."""
    if positions.shape[0] < 2:
        return 0
    before, after = positions[:-2], positions[1:-1]
    n_changes = 1 if positions[0] != 0.0 else 0
    for bar in range(after.shape[0]):
        n_changes += 1 if after[bar] != before[bar] else 0
    return n_changes


@njit(cache=True, nogil=True)
def first_bad_bar_nb(timestamps: IntArray, open_: FloatArray, close: FloatArray) -> int:
    """Return the first bar with a non-positive or non-finite price or a time not after the last, or -1."""
    # All bars at once, without branches; only unsound bars are looked for one by one.
    is_sound = True
    for bar in range(close.shape[0]):
        is_sound &= (open_[bar] > 0.0) & (open_[bar] < np.inf) & (close[bar] > 0.0) & (close[bar] < np.inf)
    for bar in range(1, close.shape[0]):
        is_sound &= timestamps[bar] > timestamps[bar - 1]
    if is_sound:
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


@njit(cache=True, nogil=True)
def _open_trade_nb(
    table: FloatArray, bars: IntArray, row: int, bar: int, units: float, price: float, paid: float
) -> None:
    bars[row, 0] = bar
    bars[row, 1] = -1
    table[row, :] = 0.0
    table[row, DIRECTION] = 1.0 if units > 0 else -1.0
    table[row, SIZE] = abs(units)
    table[row, ENTRY_PRICE] = price
    table[row, FEES] = paid
    table[row, NET_PROFIT] = -units * price - paid


@njit(cache=True, nogil=True)
def _reduce_trade_nb(table: FloatArray, row: int, units_sold: float, price: float, paid: float) -> None:
    table[row, EXIT_SIZE] += abs(units_sold)
    table[row, EXIT_VALUE] += abs(units_sold) * price
    table[row, FEES] += paid
    table[row, NET_PROFIT] += units_sold * price - paid


@njit(cache=True, nogil=True)
def _add_to_trade_nb(table: FloatArray, row: int, units_bought: float, price: float, paid: float) -> None:
    size = table[row, SIZE] + abs(units_bought)
    table[row, ENTRY_PRICE] += (price - table[row, ENTRY_PRICE]) * abs(units_bought) / size
    table[row, SIZE] = size
    table[row, FEES] += paid
    table[row, NET_PROFIT] -= units_bought * price + paid


@njit(cache=True, nogil=True)
def _close_trade_nb(table: FloatArray, bars: IntArray, row: int, bar: int) -> None:
    bars[row, 1] = bar
    table[row, EXIT_PRICE] = table[row, EXIT_VALUE] / table[row, EXIT_SIZE]


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def ledger_nb(
    open_: FloatArray,
    close: FloatArray,
    positions: FloatArray,
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
    funding : ndarray of shape (n_bars,) or (0,)
        Rate charged at each close on the position's value: longs pay a positive rate, shorts receive it.
    table, bars : ndarray of shape (n_changes + 1, 8) and (n_changes + 1, 2)
        Trades: see the column names above; entry and exit bar.
    totals : ndarray of shape (4,)
        Out: fees, slippage cost, sum of traded value over equity, bars in position.
    """
    cash, units, target = 1.0, 0.0, 0.0
    n_trades = 0
    fees, slipped, traded, held = 0.0, 0.0, 0.0, 0
    ruined_at = NO_RUIN
    equity[0] = 1.0
    for bar in range(1, close.shape[0]):
        if positions[bar - 1] != target:
            target = positions[bar - 1]
            old_units = units
            cash, units, price, paid = fill_nb(cash, old_units, open_[bar], target, fee, slippage)
            if units != old_units:
                fees += paid
                slipped += abs(units - old_units) * abs(price - open_[bar])
                n_trades = _record_fill_nb(table, bars, n_trades, bar, old_units, units, price, paid)
                if cash + units * price <= 0.0:
                    ruined_at = bar
                    break
                traded += abs(units - old_units) * price / (cash + units * price + paid)
        if units != 0.0:
            held += 1
            if funding.shape[0]:
                charge = funding[bar] * units * close[bar]
                cash -= charge
                table[n_trades - 1, NET_PROFIT] -= charge
        equity[bar] = cash + units * close[bar]
        if equity[bar] <= 0.0:
            ruined_at = bar
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
    table[row, NET_PROFIT] -= debt
