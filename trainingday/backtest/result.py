"""What a backtest returns: equity, trades and the metrics made from them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trainingday.backtest import kernels, metric_kernels
from trainingday.stats import drawdowns, ratios
from trainingday.stats import returns as return_stats
from trainingday.typing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Trades:
    """Trades in order of entry; a trade runs from flat, or a flip, to flat or the next flip.

    Attributes
    ----------
    entry_bar, exit_bar : ndarray of shape (n_trades,), int64
        Bars of the first and the last fill; an open trade's exit is the last bar.
    direction : ndarray of shape (n_trades,)
        1 long, -1 short.
    size : ndarray of shape (n_trades,)
        Units bought (or sold short) in all, for a starting equity of 1.
    entry_price, exit_price : ndarray of shape (n_trades,)
        Mean fill prices, slippage included; an open trade is marked at the last close.
    fees, net_profit : ndarray of shape (n_trades,)
        In units of the starting equity. Net of fees, slippage and funding; open trades as marked.
    bars_held : ndarray of shape (n_trades,), int64
        Exit bar minus entry bar.
    is_open : ndarray of shape (n_trades,), bool
        True only for a last trade that was never closed.
    """

    entry_bar: IntArray
    exit_bar: IntArray
    direction: FloatArray
    size: FloatArray
    entry_price: FloatArray
    exit_price: FloatArray
    fees: FloatArray
    net_profit: FloatArray
    bars_held: IntArray
    is_open: BoolArray

    @classmethod
    def from_table(cls, table: FloatArray, bars: IntArray, last_bar: int, last_close: float) -> Trades:
        """Return the trades of the ledger's table, into which the open one is marked at the last close."""
        entry_bar, exit_bar = bars
        is_open = exit_bar < 0
        if is_open.any():  # Only the last can be.
            left = table[kernels.SIZE, -1] - table[kernels.EXIT_SIZE, -1]
            sold = table[kernels.EXIT_VALUE, -1]
            exit_bar[-1] = last_bar
            table[kernels.EXIT_PRICE, -1] = (sold + left * last_close) / table[kernels.SIZE, -1]
            table[kernels.NET_PROFIT, -1] += table[kernels.DIRECTION, -1] * left * last_close
        return cls(
            entry_bar,
            exit_bar,
            table[kernels.DIRECTION],
            table[kernels.SIZE],
            table[kernels.ENTRY_PRICE],
            table[kernels.EXIT_PRICE],
            table[kernels.FEES],
            table[kernels.NET_PROFIT],
            exit_bar - entry_bar,
            is_open,
        )

    def __len__(self) -> int:
        return int(self.entry_bar.shape[0])

    @property
    def closed_profits(self) -> FloatArray:
        """Net profit of each closed trade, shape (n_closed,)."""
        return self.net_profit[~self.is_open]


@dataclass(frozen=True)
class Metrics:
    """Every statistic of a backtest; fractions, and None where a statistic is undefined.

    Attributes
    ----------
    n_bars : int
        Bars of the backtest; there is one return fewer.
    sharpe_ratio, sharpe_low, sharpe_high : float or None
        Annualised, with the ends of its 95 % interval.
    sortino_ratio, calmar_ratio : float or None
        Annualised mean over downside deviation; annual return over depth of the maximum drawdown.
    total_return, annual_return, volatility : float or None
        Compounded; compounded per year; annualised standard deviation (ddof 1).
    max_drawdown : float or None
        Deepest fall below a running peak of equity at closes, <= 0.
    max_drawdown_bars : int or None
        Bars from the peak of the deepest drawdown to its recovery, or to the last bar.
    win_rate, profit_factor, expectancy : float or None
        Of closed trades: share with net profit > 0; gross profit over gross loss; mean net profit as a
        fraction of the starting equity.
    n_trades : int
        Closed trades.
    exposure : float
        Share of bars at whose close a position is held.
    turnover : float or None
        Traded value over equity before the trade's fee, summed, per year.
    costs_paid : float
        Fees and slippage in units of the starting equity.
    """

    n_bars: int
    sharpe_ratio: float | None
    sharpe_low: float | None
    sharpe_high: float | None
    sortino_ratio: float | None
    calmar_ratio: float | None
    total_return: float | None
    annual_return: float | None
    volatility: float | None
    max_drawdown: float | None
    max_drawdown_bars: int | None
    win_rate: float | None
    n_trades: int
    profit_factor: float | None
    expectancy: float | None
    exposure: float
    turnover: float | None
    costs_paid: float

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the metrics by name, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """The outcome of one backtest, for a starting equity of 1.

    Attributes
    ----------
    equity : ndarray of shape (n_bars,)
        Cash plus units times close; 1 on the first bar, 0 from ruin on.
    positions : ndarray of shape (n_bars,)
        The targets that were asked for.
    trades : Trades
        Closed trades and the open one, if any.
    costs_paid : float
        Fees and slippage, in units of the starting equity.
    n_position_changes : int
        Changes of the target that could be filled (the last bar's cannot).
    ruined_at : int or None
        Bar at which equity reached 0.
    bars_per_year : float
        Used to annualise.
    turnover_total : float
        Traded value over equity at each fill, summed.
    n_bars_held : int
        Bars at whose close a position was held.
    """

    equity: FloatArray
    positions: FloatArray
    trades: Trades
    costs_paid: float
    n_position_changes: int
    ruined_at: int | None
    bars_per_year: float
    turnover_total: float
    n_bars_held: int

    @cached_property
    def returns(self) -> FloatArray:
        """Net returns of bars 1..n-1, shape (n_bars - 1,); 0 after ruin."""
        return self._series[0]

    @cached_property
    def _series(self) -> tuple[FloatArray, FloatArray]:
        """Returns, and what `series_nb` sums over them."""
        returns, sums = np.empty(self.equity.shape[0] - 1), np.empty(metric_kernels.N_SERIES)
        metric_kernels.series_nb(self.equity, returns, sums)
        return returns, sums

    @cached_property
    def metrics(self) -> Metrics:
        """Every statistic, each None where it is undefined."""
        return compute_metrics(self)


def compute_metrics(result: BacktestResult, *, with_interval: bool = True) -> Metrics:
    """Return every statistic of a backtest; the Sharpe interval, the costly one, can be left out.

    Notes
    -----
    Equal to `compute_by_definition`, which is left with what has no returns or not only finite ones.
    """
    returns, year = result.returns, result.bars_per_year
    n_returns = int(returns.shape[0])
    if n_returns < 2:
        return compute_by_definition(result, with_interval=with_interval)
    mean, deviation, downside, low, high = result._series[1].tolist()
    if not (low >= -1.0 and math.isfinite(high) and math.isfinite(deviation) and result.equity[0] > 0):
        return compute_by_definition(result, with_interval=with_interval)
    scale = max(1.0, abs(low), abs(high))
    is_ratio = n_returns >= ratios.MIN_OBSERVATIONS and deviation > 1e-12 * scale
    sharpe = mean / deviation * math.sqrt(year) if is_ratio else None
    sortino = mean / downside * math.sqrt(year) if is_ratio and downside > 1e-12 * scale else None
    interval = ratios.sharpe_interval(returns, year) if with_interval else None
    total = float(result.equity[-1] / result.equity[0]) - 1.0
    annual = _annualised(total, year / n_returns)
    depth, depth_bars = metric_kernels.drawdown_nb(result.equity)
    is_calmar = annual is not None and n_returns >= ratios.MIN_OBSERVATIONS and depth < -1e-12
    spread = deviation * math.sqrt(year)
    if deviation <= 1e-12 * scale:
        spread = 0.0 if high - low <= 1e-11 * scale else math.nan
    n_bars = n_returns + 1
    return Metrics(
        n_bars=n_bars,
        sharpe_ratio=_or_none(sharpe),
        sharpe_low=interval.low if interval else None,
        sharpe_high=interval.high if interval else None,
        sortino_ratio=_or_none(sortino),
        calmar_ratio=_or_none(annual / -depth if annual is not None and is_calmar else None),
        total_return=_or_none(total),
        annual_return=annual,
        volatility=_or_none(spread),
        max_drawdown=float(depth),
        max_drawdown_bars=int(depth_bars),
        exposure=result.n_bars_held / n_bars,
        turnover=_or_none(result.turnover_total * year / n_returns),
        costs_paid=result.costs_paid,
        **_trade_metrics(result.trades),
    )


def _trade_metrics(trades: Trades) -> dict[str, Any]:
    sums = np.empty(metric_kernels.N_PROFITS)
    metric_kernels.profits_nb(trades.net_profit, trades.is_open, sums)
    n_closed, n_won, won, lost, profit = sums.tolist()
    is_defined = n_closed > 0 and math.isfinite(profit)
    return {
        "win_rate": n_won / n_closed if is_defined else None,
        "n_trades": int(n_closed),
        "profit_factor": _or_none(won / lost) if is_defined and lost > 0 else None,
        "expectancy": profit / n_closed if is_defined else None,
    }


def _or_none(value: float | None) -> float | None:
    return None if value is None else return_stats.finite_or_none(value)


def _annualised(total: float, exponent: float) -> float | None:
    with np.errstate(over="ignore"):
        return return_stats.finite_or_none(float(np.power(np.float64(1.0 + total), exponent)) - 1.0)


def compute_by_definition(result: BacktestResult, *, with_interval: bool = True) -> Metrics:
    """Return the same, each statistic by its own function of `trainingday.stats`: readable, and slower."""
    returns, year = result.returns, result.bars_per_year
    profits = result.trades.closed_profits
    n_bars = int(result.equity.shape[0])
    interval = ratios.sharpe_interval(returns, year) if with_interval else None
    turnover = result.turnover_total * year / (n_bars - 1) if n_bars > 1 else None
    return Metrics(
        n_bars=n_bars,
        sharpe_ratio=ratios.sharpe_ratio(returns, year),
        sharpe_low=interval.low if interval else None,
        sharpe_high=interval.high if interval else None,
        sortino_ratio=ratios.sortino_ratio(returns, year),
        calmar_ratio=ratios.calmar_ratio(returns, year),
        total_return=return_stats.total_return(returns),
        annual_return=return_stats.annual_return(returns, year),
        volatility=return_stats.volatility(returns, year),
        max_drawdown=drawdowns.max_drawdown(result.equity),
        max_drawdown_bars=drawdowns.max_drawdown_bars(result.equity),
        win_rate=ratios.win_rate(profits),
        n_trades=int(profits.shape[0]),
        profit_factor=ratios.profit_factor(profits),
        expectancy=ratios.expectancy(profits),
        exposure=result.n_bars_held / n_bars,
        turnover=None if turnover is None else return_stats.finite_or_none(turnover),
        costs_paid=result.costs_paid,
    )
