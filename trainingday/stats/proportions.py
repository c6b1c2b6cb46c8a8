"""Intervals of a rate: Wilson for display, Clopper-Pearson where coverage must be guaranteed."""

from __future__ import annotations

import math
from statistics import NormalDist

from trainingday.exceptions import InvalidArgument
from trainingday.stats.ratios import Interval


def wilson_interval(n_successes: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Return Wilson's two-sided score interval of a rate, or None where n is 0.

    Parameters
    ----------
    n_successes, n : int
        Successes and observations, 0 <= n_successes <= n.
    confidence : float
        Two-sided coverage; 0.90 gives the one-sided 95 % lower bound (z = 1.645).

    Notes
    -----
    Wilson (1927). It knows nothing of pay-offs: a take-profit of 2 and a stop of 60 win 96 % of trades
    on a random walk, and the interval calls that significant.
    """
    _check_counts(n_successes, n, confidence)
    if n == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    rate = n_successes / n
    shrink = 1.0 + z**2 / n
    centre = (rate + z**2 / (2 * n)) / shrink
    half = z / shrink * math.sqrt(rate * (1.0 - rate) / n + z**2 / (4 * n**2))
    # Rounding must not push the ends of 0 of n and n of n off 0 and 1.
    low = 0.0 if n_successes == 0 else centre - half
    return Interval(low, 1.0 if n_successes == n else centre + half)


def clopper_pearson_interval(n_successes: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Return the exact two-sided interval of a rate by Clopper & Pearson (1934), or None where n is 0.

    Parameters
    ----------
    n_successes, n : int
        Successes and observations, 0 <= n_successes <= n.
    confidence : float
        Two-sided coverage, at least.
    """
    from scipy.special import betaincinv

    _check_counts(n_successes, n, confidence)
    if n == 0:
        return None
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if n_successes == 0 else betaincinv(n_successes, n - n_successes + 1, tail)
    high = 1.0 if n_successes == n else betaincinv(n_successes + 1, n - n_successes, 1.0 - tail)
    return Interval(float(low), float(high))


def _check_counts(n_successes: int, n: int, confidence: float) -> None:
    if not 0 <= n_successes <= n:
        raise InvalidArgument(f"n_successes should be 0..n = {n}, is {n_successes}")
    if not 0.0 < confidence < 1.0:
        raise InvalidArgument(f"confidence should be 0..1, is {confidence}")
