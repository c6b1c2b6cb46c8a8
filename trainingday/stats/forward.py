"""Evidence that arrives after promotion: a confidence sequence that may be read at every bar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.stats.hac import long_run_variance
from trainingday.stats.returns import as_series, check_bars_per_year
from trainingday.typing import FloatArray

MIN_FORWARD_BARS = 250  # the central limit needs a start; fewer bars decide nothing


class ForwardVerdict(str, Enum):  # noqa: UP042  (stored and sent as its text)
    """What later bars say of a recorded position series."""

    UNDECIDED = "undecided"
    BETTER = "better"
    WORSE = "worse"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, eq=False)
class ConfidenceSequence:
    """Bounds of a mean that hold at all times together.

    Attributes
    ----------
    mean, low, high : ndarray of shape (n_bars,)
        Per bar; infinite bounds before `MIN_FORWARD_BARS`.
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class ForwardEvidence:
    """A mean difference on bars that came after it was recorded; annualised simple returns.

    Attributes
    ----------
    verdict : ForwardVerdict
    reason : str
        One sentence for people.
    mean, low, high : float or None
        Annualised, at the last bar.
    decided_at : int or None
        First bar of those, up to the last, at which the sequence excludes 0.
    n_bars : int
    """

    verdict: ForwardVerdict
    reason: str
    mean: float | None
    low: float | None
    high: float | None
    decided_at: int | None
    n_bars: int


def confidence_sequence(
    differences: FloatArray, *, n_optimal: int, level: float = 0.05
) -> ConfidenceSequence:
    """Return the asymptotic confidence sequence of the running mean of `differences`.

    Parameters
    ----------
    differences : ndarray of shape (n_bars,)
        Per-bar differences of net returns in the order of time, finite.
    n_optimal : int
        Bars at which the sequence is tightest, >= 1.
    level : float
        Two-sided: the chance that the sequence ever excludes the true mean, 0 < level < 1.

    Notes
    -----
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2021), "Time-uniform central limit theory and
    asymptotic confidence sequences", the normal-mixture boundary with their closed form of rho. Their
    observations are independent; here the running variance is raised to the long-run variance, where that is larger,
    read at doubling bar counts from past bars only.
    """
    series = as_series(differences, "differences")
    if not np.isfinite(series).all():
        raise InvalidArgument("differences should be finite, are not")
    if n_optimal < 1:
        raise InvalidArgument(f"n_optimal should be >= 1, is {n_optimal}")
    if not 0.0 < level < 1.0:
        raise InvalidArgument(f"level should be > 0 and < 1, is {level}")
    n = np.arange(1, series.shape[0] + 1, dtype=np.float64)
    mean = np.cumsum(series) / n
    square = np.cumsum(series**2) / n
    variance = square - mean**2
    # A constant difference has no variance but that of rounding: its margin would exclude 0 for nothing.
    is_constant = variance <= 1e-12 * square
    variance = np.where(is_constant, 0.0, variance) * _inflation(series)
    rho2 = (-2.0 * math.log(level) + math.log(-2.0 * math.log(level)) + 1.0) / n_optimal
    spread = n * rho2 + 1.0
    margin = np.sqrt(variance * 2.0 * spread / (n**2 * rho2) * np.log(np.sqrt(spread) / level))
    margin[(n < MIN_FORWARD_BARS) | is_constant] = np.inf
    return ConfidenceSequence(mean, mean - margin, mean + margin)


def follow_mean(differences: FloatArray, *, bars_per_year: float, level: float) -> ConfidenceSequence:
    """Return the confidence sequence that the verdicts below read: tightest after one year of bars."""
    n_optimal = max(round(check_bars_per_year(bars_per_year)), MIN_FORWARD_BARS)
    return confidence_sequence(differences, n_optimal=n_optimal, level=level)


def challenger_evidence(
    challenger: FloatArray, champion: FloatArray, *, bars_per_year: float, level: float = 0.05
) -> ForwardEvidence:
    """Return whether later bars promote a challenger over the champion.

    Parameters
    ----------
    challenger, champion : ndarray of shape (n_bars,)
        Per-bar net returns of positions that were recorded before the bars were known.
    bars_per_year : float
        Bars in a year, > 0; the sequence is tightest after one year.
    level : float
        Two-sided level of the whole sequence; no look is charged.

    Returns
    -------
    ForwardEvidence
        BETTER promotes on forward evidence.
    """
    one, other = as_series(challenger, "challenger"), as_series(champion, "champion")
    if one.shape != other.shape:
        raise InvalidArgument(
            f"champion should hold {one.shape[0]} returns as the challenger, holds {other.shape[0]}"
        )
    sentences = {
        ForwardVerdict.BETTER: "The challenger earned more than the champion on bars that neither had seen.",
        ForwardVerdict.WORSE: "The challenger earned less than the champion on bars that neither had seen.",
        ForwardVerdict.UNDECIDED: "Later bars do not yet tell the challenger from the champion.",
    }
    return _follow(one, other, bars_per_year, level, sentences)


def decay_alarm(champion: FloatArray, *, bars_per_year: float, level: float = 0.05) -> ForwardEvidence:
    """Return whether the champion has decayed: WORSE rings the alarm.

    Parameters
    ----------
    champion : ndarray of shape (n_bars,)
        Per-bar net returns since its promotion, against doing nothing.
    bars_per_year : float
        Bars in a year, > 0.
    level : float
        Two-sided level: a champion with mean 0 rings falsely, ever, with at most half of it.
    """
    returns = as_series(champion, "champion")
    sentences = {
        ForwardVerdict.BETTER: "Since its promotion the champion earns more than doing nothing.",
        ForwardVerdict.WORSE: "Decay alarm: since its promotion the champion loses money, beyond bad luck.",
        ForwardVerdict.UNDECIDED: "Since its promotion the champion can not be told from doing nothing.",
    }
    return _follow(returns, np.zeros_like(returns), bars_per_year, level, sentences)


def _follow(
    one: FloatArray,
    other: FloatArray,
    bars_per_year: float,
    level: float,
    sentences: dict[ForwardVerdict, str],
) -> ForwardEvidence:
    """Return what the sequence says at the last bar, which is as good a moment to act as any other."""
    year = check_bars_per_year(bars_per_year)
    n_bars = int(one.shape[0])
    if n_bars < MIN_FORWARD_BARS:
        reason = f"{n_bars:,} later bars have arrived; fewer than {MIN_FORWARD_BARS} decide nothing."
        return ForwardEvidence(ForwardVerdict.UNDECIDED, reason, None, None, None, None, n_bars)
    with np.errstate(over="ignore", invalid="ignore"):
        differences = one - other
    # Squares of anything beyond this overflow, and no return is that large.
    if not np.isfinite(differences).all() or float(np.abs(differences).max()) > 1e100:
        reason = "Some later returns are not finite numbers, so nothing can be told from them."
        return ForwardEvidence(ForwardVerdict.CANNOT_TELL, reason, None, None, None, None, n_bars)
    sequence = follow_mean(differences, bars_per_year=year, level=level)
    verdict, decided_at = _present_verdict(sequence)
    low, high = float(sequence.low[-1]) * year, float(sequence.high[-1]) * year
    is_bounded = math.isfinite(low)
    return ForwardEvidence(
        verdict,
        sentences[verdict],
        float(sequence.mean[-1]) * year,
        low if is_bounded else None,
        high if is_bounded else None,
        decided_at,
        n_bars,
    )


def _present_verdict(sequence: ConfidenceSequence) -> tuple[ForwardVerdict, int | None]:
    """Return on which side the sequence leaves 0 out at the last bar, and since which bar it does."""
    sides = {ForwardVerdict.BETTER: sequence.low > 0, ForwardVerdict.WORSE: sequence.high < 0}
    for verdict, outside in sides.items():
        if outside[-1]:
            inside = np.flatnonzero(~outside)
            return verdict, int(inside[-1]) + 1 if inside.size else 0
    return ForwardVerdict.UNDECIDED, None


def _inflation(series: FloatArray) -> FloatArray:
    """Return long-run over plain variance, at least 1, each value from the bars before it."""
    n_bars = series.shape[0]
    factors = np.ones(n_bars)
    checkpoint = MIN_FORWARD_BARS // 2
    while checkpoint < n_bars:
        past = series[:checkpoint] - series[:checkpoint].mean()
        plain = float(past @ past) / checkpoint
        if plain > 0:
            factors[checkpoint:] = max(1.0, long_run_variance(past) / plain)
        checkpoint *= 2
    return factors
