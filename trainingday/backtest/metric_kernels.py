"""What the metrics of one backtest are made of, in few passes over its equity and trades."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from trainingday.typing import BoolArray, FloatArray

N_SERIES = 5
MEAN, DEVIATION, DOWNSIDE, LOW, HIGH = range(N_SERIES)
N_PROFITS = 5
N_CLOSED, N_WON, WON, LOST, PROFIT = range(N_PROFITS)

_BLOCK = 64


@njit(cache=True, nogil=True, error_model="numpy")
def returns_nb(equity: FloatArray) -> FloatArray:
    """Return equity[t + 1] / equity[t] - 1, shape (n_bars - 1,); 0 after an equity of 0."""
    before, after = equity[:-1], equity[1:]
    returns = np.empty(before.shape[0])
    for bar in range(before.shape[0]):
        value = before[bar]
        returns[bar] = (after[bar] if value > 0.0 else 1.0) / (value if value > 0.0 else 1.0) - 1.0
    return returns


@njit(cache=True, nogil=True)
def _sums_nb(values: FloatArray, centre: float) -> tuple[float, float]:
    """Return the sums of values - centre and of its square, four side by side, always in the same order."""
    sum_0, sum_1, sum_2, sum_3 = 0.0, 0.0, 0.0, 0.0
    square_0, square_1, square_2, square_3 = 0.0, 0.0, 0.0, 0.0
    n_whole = values.shape[0] & ~3
    for row in range(0, n_whole, 4):
        step_0, step_1 = values[row] - centre, values[row + 1] - centre
        step_2, step_3 = values[row + 2] - centre, values[row + 3] - centre
        sum_0 += step_0
        sum_1 += step_1
        sum_2 += step_2
        sum_3 += step_3
        square_0 += step_0 * step_0
        square_1 += step_1 * step_1
        square_2 += step_2 * step_2
        square_3 += step_3 * step_3
    for row in range(n_whole, values.shape[0]):
        step = values[row] - centre
        sum_0 += step
        square_0 += step * step
    return (sum_0 + sum_1) + (sum_2 + sum_3), (square_0 + square_1) + (square_2 + square_3)


@njit(cache=True, nogil=True)
def _mean_and_losses_nb(returns: FloatArray) -> tuple[float, float]:
    """Return the mean and the sum of the squares of what is below 0."""
    sum_0, sum_1, sum_2, sum_3 = 0.0, 0.0, 0.0, 0.0
    loss_0, loss_1, loss_2, loss_3 = 0.0, 0.0, 0.0, 0.0
    n_whole = returns.shape[0] & ~3
    for row in range(0, n_whole, 4):
        step_0, step_1, step_2, step_3 = returns[row], returns[row + 1], returns[row + 2], returns[row + 3]
        sum_0 += step_0
        sum_1 += step_1
        sum_2 += step_2
        sum_3 += step_3
        # x * min(x, 0) is the square of a loss.
        loss_0 += step_0 * (step_0 if step_0 < 0.0 else 0.0)
        loss_1 += step_1 * (step_1 if step_1 < 0.0 else 0.0)
        loss_2 += step_2 * (step_2 if step_2 < 0.0 else 0.0)
        loss_3 += step_3 * (step_3 if step_3 < 0.0 else 0.0)
    for row in range(n_whole, returns.shape[0]):
        sum_0 += returns[row]
        loss_0 += returns[row] * (returns[row] if returns[row] < 0.0 else 0.0)
    total = (sum_0 + sum_1) + (sum_2 + sum_3)
    return total / returns.shape[0], (loss_0 + loss_1) + (loss_2 + loss_3)


@njit(cache=True, nogil=True)
def _range_nb(values: FloatArray) -> tuple[float, float]:
    """Return the lowest and highest of at least 1 value."""
    # Integers in the order of the numbers, since their minimum is taken several at a time.
    bits = values.view(np.int64)
    low, high = np.int64(0x7FFFFFFFFFFFFFFF), -np.int64(0x7FFFFFFFFFFFFFFF)
    for row in range(bits.shape[0]):
        order = bits[row] ^ ((bits[row] >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF))
        low, high = min(low, order), max(high, order)
    ends = np.array([low, high])
    for row in range(2):
        ends[row] ^= (ends[row] >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF)
    numbers = ends.view(np.float64)
    return numbers[0], numbers[1]


@njit(cache=True, nogil=True, error_model="numpy")
def series_nb(returns: FloatArray, out: FloatArray) -> None:
    """Write mean, deviation (ddof 1), downside deviation, lowest and highest of the returns.

    Parameters
    ----------
    returns : ndarray of shape (n_returns,)
        More than 1.
    out : ndarray of shape (5,)
        In the order of the names above. The variance is summed around the mean, in a second pass. Where
        a return is not finite, the lowest or the highest is not.
    """
    n_returns = returns.shape[0]
    mean, losses = _mean_and_losses_nb(returns)
    drift, squares = _sums_nb(returns, mean)
    out[MEAN] = mean
    out[DEVIATION] = np.sqrt((squares - drift * drift / n_returns) / (n_returns - 1))
    out[DOWNSIDE] = np.sqrt(losses / n_returns)
    out[LOW], out[HIGH] = _range_nb(returns)


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
    to the last bar. Blocks of 64 bars without a new peak or trough are passed over.
    """
    peak, floor, depth = equity[0], equity[0], 0.0
    peak_bar, first_bar, recovery, is_open = 0, 0, 0, False
    # Bits of numbers >= 0 are in the same order as the numbers, and compared several at a time.
    bits = equity.view(np.int64)
    for start in range(0, equity.shape[0], _BLOCK):
        stop = min(start + _BLOCK, equity.shape[0])
        part = bits[start:stop]
        low, high = part[0], part[0]
        for row in range(part.shape[0]):
            low, high = min(low, part[row]), max(high, part[row])
        ends = equity[start:stop]
        if high < _bits_nb(peak) and low >= _bits_nb(floor):
            continue
        for row in range(ends.shape[0]):
            value = ends[row]
            if value >= peak:
                if is_open:
                    recovery, is_open = start + row, False
                peak, peak_bar = value, start + row
                floor = peak * (1.0 + depth)
            elif value <= floor and value / peak - 1.0 < depth:
                depth = value / peak - 1.0
                floor = value
                first_bar, is_open = peak_bar, True
    last = equity.shape[0] - 1 if is_open else recovery
    return depth, last - first_bar if depth < 0.0 else 0


@njit(cache=True, nogil=True)
def _bits_nb(value: float) -> int:
    number: Any = np.float64(value)
    bits: int = number.view(np.int64)
    return bits


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
