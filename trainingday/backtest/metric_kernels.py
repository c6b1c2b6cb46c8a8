"""What the metrics of one backtest are made of, in few passes over its equity and trades."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from trainingday.backtest.drawdown_search import greater_nb, lesser_nb
from trainingday.backtest.lanes import N_LANES
from trainingday.backtest.return_sums import centred_sums, return_sums
from trainingday.typing import BoolArray, FloatArray

N_SERIES = 5
MEAN, DEVIATION, DOWNSIDE, LOW, HIGH = range(N_SERIES)
N_PROFITS = 5
N_CLOSED, N_WON, WON, LOST, PROFIT = range(N_PROFITS)

_BLOCK = 64


@njit(cache=True, nogil=True, error_model="numpy")
def series_nb(equity: FloatArray, returns: FloatArray, out: FloatArray) -> None:
    """Write the returns of equity; and their mean, deviation (ddof 1), downside deviation and range.

    Parameters
    ----------
    equity : ndarray of shape (n_returns + 1,)
    returns : ndarray of shape (n_returns,)
        Out, equity[t + 1] / equity[t] - 1, and 0 after an equity of 0.
    out : ndarray of shape (5,)
        In the order of the names above; the variance is summed around the mean, in a second pass. Where a
        return is not finite, the deviation, the lowest or the highest is not.
    """
    n_returns = returns.shape[0]
    n_whole = n_returns - n_returns % N_LANES
    total, losses, low, high = return_sums(equity, returns, n_whole)
    for bar in range(n_whole, n_returns):
        before = equity[bar]
        value = (equity[bar + 1] if before > 0.0 else 1.0) / (before if before > 0.0 else 1.0) - 1.0
        returns[bar] = value
        total += value
        losses += value * lesser_nb(value, 0.0)
        low, high = lesser_nb(value, low), greater_nb(value, high)
    mean = total / n_returns
    drift, squares = centred_sums(returns, n_whole, mean)
    for bar in range(n_whole, n_returns):
        value = returns[bar] - mean
        drift += value
        squares += value * value
    out[MEAN] = mean
    out[DEVIATION] = np.sqrt((squares - drift * drift / n_returns) / (n_returns - 1))
    out[DOWNSIDE] = np.sqrt(losses / n_returns)
    out[LOW], out[HIGH] = low, high


@njit(cache=True, nogil=True)
def drawdown_nb(equity: FloatArray) -> tuple[float, int]:
    """Return the deepest fall below a running peak, <= 0, and its bars from the peak to its recovery.

    Parameters
    ----------
    equity : ndarray of shape (n_bars,)
        Finite, >= 0, first value > 0.

    Notes
    -----
    As `drawdowns.deepest_drawdown`: of equally deep ones the first counts, and one without recovery lasts
    to the last bar. Blocks of 64 bars are walked only where they hold a new peak and may hold a deeper fall.
    """
    peak, depth = equity[0], 0.0
    peak_bar, first_bar, recovery, is_open = 0, 0, 0, False
    # Bits of numbers >= 0 are in the same order as the numbers, and compared several at a time.
    bits = equity.view(np.int64)
    for start in range(0, equity.shape[0], _BLOCK):
        stop = min(start + _BLOCK, equity.shape[0])
        part = bits[start:stop]
        low_bits, high_bits = part[0], part[0]
        for row in range(part.shape[0]):
            low_bits, high_bits = min(low_bits, part[row]), max(high_bits, part[row])
        low, high = _value_nb(low_bits), _value_nb(high_bits)
        if high < peak:
            # One peak stands above the whole block, so that its lowest bar alone can be deeper.
            if low / peak - 1.0 < depth:
                depth, first_bar, is_open = low / peak - 1.0, peak_bar, True
        elif low / high - 1.0 >= depth:
            if is_open:
                recovery, is_open = start, False
                while equity[recovery] < peak:
                    recovery += 1
            peak, peak_bar = high, stop - 1
            while equity[peak_bar] < peak:
                peak_bar -= 1
        else:
            for bar in range(start, stop):
                value = equity[bar]
                if value >= peak:
                    if is_open:
                        recovery, is_open = bar, False
                    peak, peak_bar = value, bar
                elif value / peak - 1.0 < depth:
                    depth, first_bar, is_open = value / peak - 1.0, peak_bar, True
    last = equity.shape[0] - 1 if is_open else recovery
    return depth, last - first_bar if depth < 0.0 else 0


@njit(cache=True, nogil=True)
def _value_nb(bits: int) -> float:
    number: Any = np.int64(bits)
    value: float = number.view(np.float64)
    return value


@njit(cache=True, nogil=True)
def profits_nb(net_profit: FloatArray, is_open: BoolArray, out: FloatArray) -> None:
    """Write, of closed trades, their number, how many won, gross profit, gross loss and their sum."""
    out[:] = 0.0
    for trade in range(net_profit.shape[0]):
        if is_open[trade]:
            continue
        profit = net_profit[trade]
        out[N_CLOSED] += 1.0
        out[N_WON] += 1.0 if profit > 0.0 else 0.0
        out[WON] += max(profit, 0.0)
        out[LOST] += max(-profit, 0.0)
        out[PROFIT] += profit
