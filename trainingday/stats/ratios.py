"""Sharpe, Sortino, Calmar and the ratios of closed trades: one definition each, None where undefined."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.stats.drawdowns import max_drawdown
from trainingday.stats.hac import compare_to_flat
from trainingday.stats.returns import (
    annual_return,
    as_series,
    check_bars_per_year,
    equity_curve,
    finite_or_none,
    is_degenerate,
)
from trainingday.typing import FloatArray

MIN_OBSERVATIONS = 30


class Interval(NamedTuple):
    """A confidence interval, both ends included."""

    low: float
    high: float


def sharpe_ratio(returns: FloatArray, bars_per_year: float) -> float | None:
    """Return the annualised Sharpe ratio: mean / deviation (ddof 1) * sqrt(bars_per_year), risk-free 0.

    Parameters
    ----------
    returns : ndarray of shape (n_bars,)
        Periodic simple net returns, fractions, marked to market each bar.
    bars_per_year : float
        Bars in a year, > 0.

    Returns
    -------
    float or None
        None with fewer than 30 or non-finite returns, or deviation <= 1e-12 * max(1, max|r|).
    """
    factor = math.sqrt(check_bars_per_year(bars_per_year))
    series = as_series(returns)
    if series.shape[0] < MIN_OBSERVATIONS or is_degenerate(series):
        return None
    return finite_or_none(float(series.mean() / series.std(ddof=1)) * factor)


def sharpe_interval(returns: FloatArray, bars_per_year: float, confidence: float = 0.95) -> Interval | None:
    """Return the two-sided interval of the annualised Sharpe ratio, or None where it is undefined.

    Parameters
    ----------
    returns : ndarray of shape (n_bars,)
        Periodic simple net returns, fractions.
    bars_per_year : float
        Bars in a year, > 0.
    confidence : float
        Two-sided coverage, 0 < confidence < 1.

    Notes
    -----
    Centred on `sharpe_ratio`. The standard error is the gate's: the larger of the HAC (Parzen,
    Andrews plug-in) one and the one for independent normal returns, so that a model's interval and its
    verdict never contradict each other by method.
    """
    if not 0.0 < confidence < 1.0:
        raise InvalidArgument(f"confidence should be 0..1, is {confidence}")
    centre = sharpe_ratio(returns, bars_per_year)
    if centre is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        error = compare_to_flat(returns).standard_error * math.sqrt(bars_per_year)
    if not math.isfinite(error):
        return None
    half = NormalDist().inv_cdf(0.5 + confidence / 2.0) * error
    return Interval(centre - half, centre + half)


def sortino_ratio(returns: FloatArray, bars_per_year: float) -> float | None:
    """Return the annualised Sortino ratio: mean / downside deviation * sqrt(bars_per_year), target 0.

    Parameters
    ----------
    returns : ndarray of shape (n_bars,)
        Periodic simple net returns, fractions.
    bars_per_year : float
        Bars in a year, > 0.

    Returns
    -------
    float or None
        None where `sharpe_ratio` is None, or where no bar loses.

    Notes
    -----
    Downside deviation is sqrt(mean(min(r, 0)**2)) over all bars (Sortino & van der Meer 1991).
    """
    factor = math.sqrt(check_bars_per_year(bars_per_year))
    series = as_series(returns)
    if series.shape[0] < MIN_OBSERVATIONS or is_degenerate(series):
        return None
    losses = np.minimum(series, 0.0)
    downside = math.sqrt(float(losses @ losses) / series.shape[0])
    if downside <= 1e-12 * max(1.0, float(np.abs(series).max())):
        return None
    return finite_or_none(float(series.mean()) / downside * factor)


def calmar_ratio(returns: FloatArray, bars_per_year: float) -> float | None:
    """Return annual return over the depth of the maximum drawdown.

    Parameters
    ----------
    returns : ndarray of shape (n_bars,)
        Periodic simple net returns, fractions.
    bars_per_year : float
        Bars in a year, > 0.

    Returns
    -------
    float or None
        None with fewer than 30 returns, an undefined annual return, or no drawdown.
    """
    growth = annual_return(returns, bars_per_year)
    series = as_series(returns)
    if growth is None or series.shape[0] < MIN_OBSERVATIONS:
        return None
    depth = max_drawdown(equity_curve(series))
    if depth is None or depth >= -1e-12:
        return None
    return finite_or_none(growth / -depth)


def win_rate(net_profits: FloatArray) -> float | None:
    """Return the share of closed trades with net profit > 0, or None without closed trades.

    Parameters
    ----------
    net_profits : ndarray of shape (n_trades,)
        Net profit of each closed trade after fees, in money or as fractions.
    """
    profits = _finite_trades(net_profits)
    return None if profits is None else float(np.count_nonzero(profits > 0) / profits.shape[0])


def profit_factor(net_profits: FloatArray) -> float | None:
    """Return gross profit over gross loss of closed trades; None without a losing trade.

    Parameters
    ----------
    net_profits : ndarray of shape (n_trades,)
        Net profit of each closed trade after fees, in money or as fractions.
    """
    profits = _finite_trades(net_profits)
    if profits is None:
        return None
    lost = -float(profits[profits < 0].sum())
    return finite_or_none(float(profits[profits > 0].sum()) / lost) if lost > 0 else None


def expectancy(net_profits: FloatArray) -> float | None:
    """Return the mean net profit of a closed trade, in the unit of the input; None without trades.

    Parameters
    ----------
    net_profits : ndarray of shape (n_trades,)
        Net profit of each closed trade after fees, in money or as fractions.
    """
    profits = _finite_trades(net_profits)
    return None if profits is None else finite_or_none(float(profits.mean()))


def _finite_trades(net_profits: FloatArray) -> FloatArray | None:
    profits = as_series(net_profits, "net_profits")
    return profits if profits.shape[0] and np.isfinite(profits).all() else None
