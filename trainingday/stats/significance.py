"""How likely a Sharpe ratio is luck: PSR, DSR, track record lengths, and the interval of a ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.stats.ratios import MIN_OBSERVATIONS, Interval
from trainingday.stats.returns import as_series, is_degenerate
from trainingday.typing import FloatArray

EULER_GAMMA = float(np.euler_gamma)
NORMAL = NormalDist()


@dataclass(frozen=True)
class SharpeMoments:
    """What PSR, DSR and MinTRL need to know of a return series.

    Attributes
    ----------
    sharpe : float
        Per bar, population deviation, not annualised.
    skewness, kurtosis : float
        Third and fourth standardised moments; kurtosis is raw, 3 for a normal.
    n_bars : int
    """

    sharpe: float
    skewness: float
    kurtosis: float
    n_bars: int

    @property
    def variance_factor(self) -> float:
        """1 - skewness * SR + (kurtosis - 1) / 4 * SR**2: n_bars times the variance of the estimate."""
        return 1.0 - self.skewness * self.sharpe + 0.25 * (self.kurtosis - 1.0) * self.sharpe**2


def sharpe_moments(returns: FloatArray) -> SharpeMoments | None:
    """Return the moments of a return series, or None where `sharpe_ratio` is None.

    Parameters
    ----------
    returns : ndarray of shape (n_bars,)
        Periodic simple net returns, fractions.
    """
    series = as_series(returns)
    if series.shape[0] < MIN_OBSERVATIONS or is_degenerate(series):
        return None
    deviation = float(series.std())
    z = (series - series.mean()) / deviation
    return SharpeMoments(
        float(series.mean()) / deviation, float((z**3).mean()), float((z**4).mean()), int(series.shape[0])
    )


def probabilistic_sharpe_ratio(moments: SharpeMoments, benchmark: float = 0.0) -> float | None:
    """Return the probability that the true Sharpe ratio exceeds `benchmark`.

    Parameters
    ----------
    moments : SharpeMoments
        Of the candidate, per bar.
    benchmark : float
        Sharpe ratio to exceed, per bar.

    Returns
    -------
    float or None
        None where skewness and kurtosis make the variance of the estimate non-positive.

    Notes
    -----
    Bailey & López de Prado (2012), "The Sharpe ratio efficient frontier", equation 9, with T - 1.
    """
    if moments.n_bars < 2:
        raise InvalidArgument(f"n_bars should be >= 2, is {moments.n_bars}")
    factor = moments.variance_factor
    if not (math.isfinite(factor) and factor > 0):
        return None
    return NORMAL.cdf((moments.sharpe - benchmark) * math.sqrt((moments.n_bars - 1) / factor))


def expected_maximum(n_trials: int) -> float:
    """Return the expected maximum of `n_trials` independent standard normals, 0 for one trial.

    Notes
    -----
    Bailey & López de Prado (2014), "The deflated Sharpe ratio", equation 1: an approximation by
    extreme value theory, about 2.5 % above the exact value at 5 trials.
    """
    if n_trials < 1:
        raise InvalidArgument(f"n_trials should be >= 1, is {n_trials}")
    if n_trials == 1:
        return 0.0
    first = NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    second = NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    return (1.0 - EULER_GAMMA) * first + EULER_GAMMA * second


def deflated_sharpe_ratio(moments: SharpeMoments, n_trials: int, trials_variance: float) -> float | None:
    """Return the probability that the Sharpe ratio exceeds the best of `n_trials` lucky ones.

    Parameters
    ----------
    moments : SharpeMoments
        Of the chosen candidate, per bar.
    n_trials : int
        Independent trials it was chosen from, all of them counted.
    trials_variance : float
        Variance of the trials' Sharpe ratios, per bar.

    Notes
    -----
    Bailey & López de Prado (2014). A diagnostic, never a gate: on populations of mixed quality the
    trials' variance measures skill as well as luck.
    """
    return probabilistic_sharpe_ratio(moments, deflated_benchmark(n_trials, trials_variance))


def deflated_benchmark(n_trials: int, trials_variance: float) -> float:
    """Return SR0, the Sharpe ratio per bar that the best of `n_trials` unskilled trials would show."""
    if not (math.isfinite(trials_variance) and trials_variance >= 0):
        raise InvalidArgument(f"trials_variance should be finite and >= 0, is {trials_variance}")
    return math.sqrt(trials_variance) * expected_maximum(n_trials)


def minimum_track_record_length(
    moments: SharpeMoments, benchmark: float = 0.0, confidence: float = 0.95
) -> float | None:
    """Return the bars needed for PSR >= `confidence`; None where the Sharpe is not above the benchmark.

    Parameters
    ----------
    moments : SharpeMoments
        Per bar; its `n_bars` is not used.
    benchmark : float
        Sharpe ratio to exceed, per bar.
    confidence : float
        0.5 < confidence < 1.

    Notes
    -----
    Bailey & López de Prado (2012), equation 11.
    """
    if not 0.5 < confidence < 1.0:
        raise InvalidArgument(f"confidence should be > 0.5 and < 1, is {confidence}")
    lead, factor = moments.sharpe - benchmark, moments.variance_factor
    if not lead > 0 or not (math.isfinite(factor) and factor > 0):
        return None
    return 1.0 + factor * (NORMAL.inv_cdf(confidence) / lead) ** 2


def minimum_backtest_length(n_trials: int, sharpe: float = 1.0) -> float:
    """Return the years in which the best of `n_trials` unskilled trials is expected to show `sharpe`.

    Parameters
    ----------
    n_trials : int
        Independent trials.
    sharpe : float
        Annualised Sharpe ratio, > 0.

    Notes
    -----
    Bailey, Borwein, López de Prado & Zhu (2014), "Pseudo-mathematics and financial charlatanism". A
    backtest shorter than this proves nothing at that Sharpe ratio.
    """
    if not (math.isfinite(sharpe) and sharpe > 0):
        raise InvalidArgument(f"sharpe should be finite and > 0, is {sharpe}")
    return (expected_maximum(n_trials) / sharpe) ** 2


def fieller_interval(
    numerator: float,
    denominator: float,
    variance_numerator: float,
    variance_denominator: float,
    covariance: float,
    critical: float,
) -> Interval | None:
    """Return Fieller's interval of numerator / denominator, or None where it is unbounded.

    Parameters
    ----------
    numerator, denominator : float
        Estimates, jointly normal.
    variance_numerator, variance_denominator, covariance : float
        Of the two estimates.
    critical : float
        Two-sided critical value, such as 1.96 for 95 %, > 0.

    Notes
    -----
    Fieller (1954): the ratios rho whose contrast numerator - rho * denominator is not rejected. None
    where the denominator is not itself significantly different from 0.
    """
    if not critical > 0:
        raise InvalidArgument(f"critical should be > 0, is {critical}")
    if min(variance_numerator, variance_denominator) < 0:
        raise InvalidArgument("variances should be >= 0")
    square = critical**2
    a = denominator**2 - square * variance_denominator
    b = numerator * denominator - square * covariance
    c = numerator**2 - square * variance_numerator
    discriminant = b**2 - a * c
    # A covariance larger than the variances allow makes the root imaginary: the interval is not known.
    if not a > 0 or not discriminant >= 0:
        return None
    root = math.sqrt(discriminant)
    return Interval((b - root) / a, (b + root) / a)
