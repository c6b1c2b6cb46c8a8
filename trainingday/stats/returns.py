"""Total return, annual return and volatility: one definition each, None where undefined."""

from __future__ import annotations

import math

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray


def as_series(values: FloatArray, name: str = "returns") -> FloatArray:
    """Return `values` as a contiguous float64 array of shape (n_bars,).

    Raises
    ------
    InvalidArgument
        If `values` has not exactly one dimension.
    """
    series = np.ascontiguousarray(values, dtype=np.float64)
    if series.ndim != 1:
        raise InvalidArgument(f"{name} should have 1 dimension, has {series.ndim}")
    return series


def check_bars_per_year(bars_per_year: float) -> float:
    """Return `bars_per_year`, or raise InvalidArgument unless it is finite and > 0."""
    if not (math.isfinite(bars_per_year) and bars_per_year > 0):
        raise InvalidArgument(f"bars_per_year should be finite and > 0, is {bars_per_year}")
    return float(bars_per_year)


def is_degenerate(returns: FloatArray) -> bool:
    """Return whether no ratio of `returns` is defined: fewer than 2, not finite, or constant.

    Notes
    -----
    Constant means a standard deviation (ddof 1) <= 1e-12 * max(1, max|r|): a constant return of 0.001
    has a standard deviation of about 1e-19 from rounding alone, and its Sharpe ratio would be 1e15.
    """
    if returns.shape[0] < 2 or not np.isfinite(returns).all():
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(returns.std(ddof=1))
    scale = max(1.0, float(np.abs(returns).max()))
    return not (math.isfinite(deviation) and deviation > 1e-12 * scale)


def finite_or_none(value: float) -> float | None:
    """Return `value`, or None where it is NaN or infinite: nothing else may be stored."""
    return float(value) if math.isfinite(value) else None


def equity_curve(returns: FloatArray, initial: float = 1.0) -> FloatArray:
    """Return the equity before the first and after each return, shape (n_bars + 1,)."""
    series = as_series(returns)
    equity = np.empty(series.shape[0] + 1)
    equity[0] = initial
    with np.errstate(over="ignore", invalid="ignore"):
        np.multiply(initial, np.cumprod(1.0 + series), out=equity[1:])
    return equity


def total_return(returns: FloatArray) -> float | None:
    """Return the compounded return as a fraction: prod(1 + r) - 1.

    Parameters
    ----------
    returns : ndarray of shape (n_bars,)
        Periodic simple net returns, fractions.

    Returns
    -------
    float or None
        None for empty, non-finite or overflowing input, or a return below -1 (no equity can lose more
        than all).
    """
    series = as_series(returns)
    if series.shape[0] == 0 or not np.isfinite(series).all() or series.min() < -1.0:
        return None
    with np.errstate(over="ignore"):
        return finite_or_none(float(np.prod(1.0 + series)) - 1.0)


def annual_return(returns: FloatArray, bars_per_year: float) -> float | None:
    """Return the compound annual growth rate as a fraction: (1 + total) ** (bars_per_year / n) - 1.

    Parameters
    ----------
    returns : ndarray of shape (n_bars,)
        Periodic simple net returns, fractions.
    bars_per_year : float
        Bars in a year, > 0.

    Returns
    -------
    float or None
        None where the total return is undefined or the power overflows (a few bars of a steep rise).
    """
    years_inverse = check_bars_per_year(bars_per_year)
    total = total_return(returns)
    if total is None:
        return None
    exponent = years_inverse / as_series(returns).shape[0]
    with np.errstate(over="ignore"):
        return finite_or_none(float(np.power(np.float64(1.0 + total), exponent)) - 1.0)


def volatility(returns: FloatArray, bars_per_year: float) -> float | None:
    """Return the annualised standard deviation (ddof 1) as a fraction.

    Parameters
    ----------
    returns : ndarray of shape (n_bars,)
        Periodic simple net returns, fractions.
    bars_per_year : float
        Bars in a year, > 0.

    Returns
    -------
    float or None
        None with fewer than 2 or non-finite returns. A constant series has volatility 0.
    """
    factor = math.sqrt(check_bars_per_year(bars_per_year))
    series = as_series(returns)
    if series.shape[0] < 2 or not np.isfinite(series).all():
        return None
    if is_degenerate(series):
        return 0.0 if float(np.ptp(series)) <= 1e-11 * max(1.0, float(np.abs(series).max())) else None
    return finite_or_none(float(series.std(ddof=1)) * factor)
