"""Ledoit & Wolf's studentised circular block bootstrap of a Sharpe difference, for display only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.stats.hac import compare_sharpe_ratios
from trainingday.stats.returns import as_series, check_bars_per_year
from trainingday.typing import FloatArray

N_DRAWS = 999
CHUNK_DRAWS = 64  # keeps the gathered block sums of a chunk within a few MB


@dataclass(frozen=True)
class BootstrapDifference:
    """A bootstrapped difference of annualised Sharpe ratios.

    Attributes
    ----------
    difference, standard_error, ci_low, ci_high : float
        Annualised; the interval is symmetric and studentised, at the confidence asked for.
    p_value : float
        One-sided, of "not better than the baseline".
    p_value_two_sided : float
        Of "no difference".
    block_length, n_draws : int
    """

    difference: float
    standard_error: float
    ci_low: float
    ci_high: float
    p_value: float
    p_value_two_sided: float
    block_length: int
    n_draws: int


def bootstrap_sharpe_difference(
    candidate: FloatArray,
    baseline: FloatArray,
    *,
    bars_per_year: float,
    rng: np.random.Generator,
    n_draws: int = N_DRAWS,
    block_length: int | None = None,
    confidence: float = 0.90,
) -> BootstrapDifference:
    """Return the bootstrapped difference of two annualised Sharpe ratios.

    Parameters
    ----------
    candidate, baseline : ndarray of shape (n_bars,)
        Per-bar net returns on the same bars; a baseline of zeros is flat.
    bars_per_year : float
        Bars in a year, > 0.
    rng : numpy.random.Generator
        Source of the block starts; same seed, same result.
    n_draws : int
        Bootstrap draws, >= 99.
    block_length : int, optional
        Bars per block; by default n_bars ** (1/3), rounded, as EVIDENCE.md fixes it.
    confidence : float
        Two-sided coverage of the interval.

    Raises
    ------
    InvalidArgument
        If a series is constant, not finite or of another length, or a number is out of range.

    Notes
    -----
    Ledoit & Wolf (2008), section 3.2.2. A resample's standard error comes from its block sums of
    the influence series (their equation for the natural block estimator), the original one's from
    the Parzen kernel. Blocks are read off prefix sums of the four moments, so that a draw costs
    n_bars / block_length additions.
    """
    if n_draws < 99:
        raise InvalidArgument(f"n_draws should be >= 99, is {n_draws}")
    if not 0.0 < confidence < 1.0:
        raise InvalidArgument(f"confidence should be 0..1, is {confidence}")
    annual = math.sqrt(check_bars_per_year(bars_per_year))
    returns, others = as_series(candidate, "candidate"), as_series(baseline, "baseline")
    found = compare_sharpe_ratios(returns, others)
    error = found.se_hac
    length = block_length or max(1, round(returns.shape[0] ** (1.0 / 3.0)))
    if not 1 <= length <= returns.shape[0] // 2:
        raise InvalidArgument(f"block_length should be 1..{returns.shape[0] // 2}, is {length}")
    draws = _studentised_draws(returns, others, found.difference, length, n_draws, rng)
    statistic = found.difference / error
    half = float(np.quantile(np.abs(draws), confidence, method="higher")) * error
    return BootstrapDifference(
        found.difference * annual,
        error * annual,
        (found.difference - half) * annual,
        (found.difference + half) * annual,
        (1 + int(np.count_nonzero(draws >= statistic))) / (n_draws + 1),
        (1 + int(np.count_nonzero(np.abs(draws) >= abs(statistic)))) / (n_draws + 1),
        length,
        n_draws,
    )


def _studentised_draws(
    returns: FloatArray,
    others: FloatArray,
    difference: float,
    length: int,
    n_draws: int,
    rng: np.random.Generator,
) -> FloatArray:
    n_bars = returns.shape[0]
    n_blocks = n_bars // length
    series = [returns] if not others.any() else [returns, others]
    # A Sharpe ratio has no unit: dividing by the deviation keeps prefix sums of squares well scaled.
    tables = [_block_sums(values / values.std(), length) for values in series]
    draws = np.empty(n_draws)
    for first in range(0, n_draws, CHUNK_DRAWS):
        size = min(CHUNK_DRAWS, n_draws - first)
        starts = rng.integers(n_bars, size=(size, n_blocks))
        delta = np.zeros(size)
        blocks = np.zeros((size, n_blocks))
        for sign, (sums, squares) in zip((1.0, -1.0), tables, strict=False):
            sharpe, influence = _resampled(sums[starts], squares[starts], length)
            delta += sign * sharpe
            blocks += sign * influence
        variance = (blocks**2).sum(axis=1) / (n_blocks * length)
        # A resample in which nothing varies says nothing: it counts as no deviation.
        error = np.sqrt(variance / (n_blocks * length))
        is_usable = np.isfinite(delta) & (error > 0)
        draws[first : first + size] = np.where(
            is_usable, (delta - difference) / np.where(is_usable, error, 1.0), 0.0
        )
    return draws


def _block_sums(values: FloatArray, length: int) -> tuple[FloatArray, FloatArray]:
    """Return the sums of values and of their squares over the circular block starting at each bar."""
    wrapped = np.concatenate((values, values[: length - 1]))
    sums = []
    for power in (wrapped, wrapped**2):
        prefix = np.concatenate(([0.0], np.cumsum(power)))
        sums.append(prefix[length:] - prefix[:-length])
    return sums[0], sums[1]


def _resampled(sums: FloatArray, squares: FloatArray, length: int) -> tuple[FloatArray, FloatArray]:
    """Return Sharpe ratios, shape (n_draws,), and block sums of their influence, (n_draws, n_blocks)."""
    n_values = sums.shape[1] * length
    first = sums.sum(axis=1) / n_values
    second = squares.sum(axis=1) / n_values
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.maximum(second - first**2, 0.0)
        slope_first = second / variance**1.5
        slope_second = -0.5 * first / variance**1.5
        sharpe = first / np.sqrt(variance)
        influence = slope_first[:, None] * (sums - length * first[:, None])
        influence += slope_second[:, None] * (squares - length * second[:, None])
    return sharpe, influence
