"""The mission's success criteria as measured: value, interval, n, and whether it is met, never tuned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.stats.criterion import (
    DRAWDOWN,
    ENSEMBLE,
    GENERATION,
    PATTERNS,
    SEARCH,
    SHARPE,
    VALIDATED,
    WIN_RATE,
    Criterion,
)
from trainingday.stats.evidence import Verdict
from trainingday.stats.hac import compare_sharpe_ratios, compare_to_flat
from trainingday.stats.proportions import clopper_pearson_interval
from trainingday.stats.ratios import Interval, sharpe_ratio
from trainingday.stats.resampling import drawdown_difference_interval, median_interval
from trainingday.stats.returns import as_series, check_bars_per_year, is_degenerate
from trainingday.stats.significance import NORMAL, fieller_interval
from trainingday.typing import FloatArray

__all__ = [
    "Criterion",
    "drawdown_reduction",
    "ensemble_stability",
    "generation_improvement",
    "new_patterns",
    "search_improvement",
    "sharpe_improvement",
    "validated_out_of_sample",
    "win_rate_trend",
]

MIN_RATIO_BASE = 0.1  # a percentage of a Sharpe ratio below this means nothing
MIN_SEEDS = 5
MIN_SESSIONS = 5
Z_95 = NORMAL.inv_cdf(0.975)
SEALED = "Sealed: this session's exam was not passed, so its test numbers are not shown."


def sharpe_improvement(
    candidate: FloatArray, champion: FloatArray, *, bars_per_year: float, verdict: Verdict
) -> Criterion:
    """Return the improvement of the test Sharpe ratio over the champion's, as a fraction of it.

    Parameters
    ----------
    candidate, champion : ndarray of shape (n_bars,)
        Per-bar net returns on the same test bars.
    bars_per_year : float
        Bars in a year, > 0.
    verdict : Verdict
        Of the gate: anything but PASSED keeps the numbers sealed.

    Notes
    -----
    Where the champion's annualised Sharpe ratio is below 0.1 the value is the difference alone, the
    criterion is not decided, and the note says so.
    """
    annual = math.sqrt(check_bars_per_year(bars_per_year))
    series, other = as_series(candidate, "candidate"), as_series(champion, "champion")
    n_bars = int(series.shape[0])
    if verdict is Verdict.NOT_PROVEN:
        return SHARPE.decided(None, None, None, n_bars, False, SEALED)
    if verdict is not Verdict.PASSED:
        return SHARPE.unknown(n_bars, "No exam was graded in this session.")
    is_flat = not other.any()
    if is_degenerate(series) or (is_degenerate(other) and not is_flat):
        return SHARPE.unknown(n_bars, "A Sharpe ratio is not defined.")
    pair = compare_sharpe_ratios(series, other)
    if pair.sharpe_baseline * annual < MIN_RATIO_BASE:
        half = Z_95 * pair.standard_error * annual
        difference = pair.difference * annual
        return SHARPE.decided(
            difference,
            difference - half,
            difference + half,
            n_bars,
            None,
            "The champion's Sharpe ratio is below 0.1, so a percentage means nothing: the plain difference "
            "of annualised Sharpe ratios is shown.",
        )
    errors = (compare_to_flat(series).standard_error, compare_to_flat(other).standard_error)
    # Var(a - b) = Var a + Var b - 2 Cov, solved for the covariance.
    covariance = 0.5 * (errors[0] ** 2 + errors[1] ** 2 - pair.standard_error**2)
    ratio = fieller_interval(
        pair.sharpe_candidate, pair.sharpe_baseline, errors[0] ** 2, errors[1] ** 2, covariance, Z_95
    )
    value = pair.sharpe_candidate / pair.sharpe_baseline - 1.0
    return SHARPE.measured(value, _minus_one(ratio), n_bars, _unbounded_note(ratio))


def new_patterns(n_confirmed: int, n_found: int, n_tested: int) -> Criterion:
    """Return the number of confirmed patterns; `n` is the number of candidates tested."""
    if not 0 <= n_confirmed <= n_found <= n_tested:
        raise InvalidArgument(
            f"n_confirmed <= n_found <= n_tested should hold, are {n_confirmed}, {n_found}, {n_tested}"
        )
    note = f"{n_found} found among {n_tested} tested, {n_confirmed} confirmed on later bars."
    return PATTERNS.decided(float(n_confirmed), None, None, n_tested, n_confirmed > PATTERNS.threshold, note)


def win_rate_trend(
    win_rates: Sequence[float | None], expectancies: Sequence[float | None] | None = None
) -> Criterion:
    """Return the slope of the win rate per generation with its Student-t interval.

    Parameters
    ----------
    win_rates : sequence of float or None
        Test win rate of each generation's promoted finalist, in order; None where none was promoted,
        since a failed exam's win rate stays sealed.
    expectancies : sequence of float or None, optional
        Mean net profit per trade of the same finalists, named in the note: a win rate alone is no
        evidence.
    """
    rows = [(index, rate) for index, rate in enumerate(win_rates) if rate is not None]
    n = len(rows)
    if n < 3:
        return WIN_RATE.unknown(n, "Fewer than 3 generations with a promoted finalist.")
    x = np.array([row[0] for row in rows], dtype=np.float64)
    y = np.array([row[1] for row in rows], dtype=np.float64)
    if not ((y >= 0) & (y <= 1)).all():
        raise InvalidArgument("win_rates should be fractions 0..1, are not")
    x -= x.mean()
    slope = float(x @ y / (x @ x))
    residual = y - y.mean() - slope * x
    error = math.sqrt(float(residual @ residual) / (n - 2) / float(x @ x))
    half = _student(n - 2) * error
    return WIN_RATE.measured(slope, Interval(slope - half, slope + half), n, _expectancy_note(expectancies))


def validated_out_of_sample(n_promotions: int, n_with_passed_exam: int) -> Criterion:
    """Return the share of promotions with a passed exam, with its Clopper-Pearson interval."""
    interval = clopper_pearson_interval(n_with_passed_exam, n_promotions)
    if interval is None:
        return VALIDATED.unknown(0, "Nothing was promoted yet.")
    share = n_with_passed_exam / n_promotions
    missing = n_promotions - n_with_passed_exam
    note = "" if missing == 0 else f"{missing} promotions have no passed exam."
    return VALIDATED.decided(share, interval.low, interval.high, n_promotions, missing == 0, note)


def search_improvement(best: Sequence[float | None], defaults: Sequence[float | None]) -> Criterion:
    """Return how much the best parameters improve on the defaults over retrained seeds.

    Parameters
    ----------
    best, defaults : sequence of float or None
        Annualised test Sharpe ratio of each seed; None where undefined.

    Notes
    -----
    Fieller's interval of the ratio of means with Student's t at the smaller sample's degrees of
    freedom, which is on the safe side of Welch's.
    """
    one, other = _defined(best), _defined(defaults)
    n = min(one.shape[0], other.shape[0])
    if n < MIN_SEEDS:
        return SEARCH.unknown(n, f"Fewer than {MIN_SEEDS} seeds with a defined Sharpe ratio on each side.")
    variances = (float(one.var(ddof=1)) / one.shape[0], float(other.var(ddof=1)) / other.shape[0])
    means, critical = (float(one.mean()), float(other.mean())), _student(n - 1)
    if means[1] < MIN_RATIO_BASE:
        half = critical * math.sqrt(sum(variances))
        difference = means[0] - means[1]
        note = "The defaults' Sharpe ratio is below 0.1: the plain difference is shown."
        return SEARCH.decided(difference, difference - half, difference + half, n, None, note)
    ratio = fieller_interval(means[0], means[1], variances[0], variances[1], 0.0, critical)
    return SEARCH.measured(means[0] / means[1] - 1.0, _minus_one(ratio), n, _unbounded_note(ratio))


def generation_improvement(
    scores: Sequence[float | None], control: Sequence[float | None] | None = None
) -> Criterion:
    """Return the median relative change of a score from one generation to the next.

    Parameters
    ----------
    scores : sequence of float or None
        The finalist's score per generation, on validation folds or on passed exams: one call for each.
    control : sequence of float or None, optional
        The same for random entrants: what a generation brings without inheritance.

    Notes
    -----
    Changes from a score below 0.1 are left out: a percentage of it means nothing. The interval of the
    median is by order statistics, so it needs 6 changes.
    """
    changes = _relative_changes(scores)
    n = int(changes.shape[0])
    if n == 0:
        return GENERATION.unknown(0, "No two successive generations with a score of at least 0.1.")
    others = _relative_changes(control or [])
    control_median = float(np.median(others)) if others.size else None
    note = "No control of random entrants was run."
    if control_median is not None:
        note = f"Random entrants: {control_median:+.1%} per generation over {others.size} changes."
    found = GENERATION.measured(float(np.median(changes)), median_interval(changes), n, note, otherwise=None)
    if found.met and control_median is not None and found.low is not None and found.low <= control_median:
        return GENERATION.decided(found.value, found.low, found.high, n, False, note)
    return found


def ensemble_stability(single: Sequence[float | None], ensembles: Sequence[float | None]) -> Criterion:
    """Return how much less the ensembles' Sharpe ratios spread than single models'.

    Parameters
    ----------
    single, ensembles : sequence of float or None
        Annualised Sharpe ratio of one member, chosen without regard to its score, and of the whole ensemble,
        for each session on the same bars.

    Notes
    -----
    A member belongs to its ensemble, so the two are correlated: the interval of the ratio of variances is
    Pitman's and Morgan's for pairs (Morgan, 1939, Biometrika 31; Snedecor and Cochran, 1989, section 10.8),
    exact for normal pairs. A session without one of the two counts for nothing.
    """
    if len(single) != len(ensembles):
        raise InvalidArgument(f"ensembles should number {len(single)}, number {len(ensembles)}")
    pairs = [pair for pair in zip(single, ensembles, strict=True) if _defined(pair).shape[0] == 2]
    n = len(pairs)
    if n < MIN_SESSIONS:
        return ENSEMBLE.unknown(n, f"Sessions on these bars: {n}; {MIN_SESSIONS} are needed.")
    one, other = np.array(pairs, dtype=np.float64).T
    if min(one.std(), other.std()) <= 1e-12:
        return ENSEMBLE.unknown(n, "One side does not differ between sessions.")
    ratio = float(other.var(ddof=1) / one.var(ddof=1))
    correlation = float(np.corrcoef(one, other)[0, 1])
    width = 1.0 + 2.0 * max(0.0, 1.0 - correlation**2) * _student(n - 2) ** 2 / (n - 2)
    spread = width + math.sqrt(width**2 - 1.0)
    interval = Interval(1.0 - math.sqrt(ratio * spread), 1.0 - math.sqrt(ratio / spread))
    return ENSEMBLE.measured(1.0 - math.sqrt(ratio), interval, n)


def drawdown_reduction(
    with_overlay: FloatArray, without: FloatArray, *, rng: np.random.Generator, n_draws: int = 999
) -> Criterion:
    """Return how much shallower the maximum drawdown is with a risk overlay.

    Parameters
    ----------
    with_overlay, without : ndarray of shape (n_bars,)
        Per-bar net returns of the same positions with and without the overlay.
    rng : numpy.random.Generator
        Source of the paired circular block bootstrap.
    n_draws : int
        Bootstrap draws, >= 99.
    """
    one, other = as_series(with_overlay, "with_overlay"), as_series(without, "without")
    if one.shape != other.shape:
        raise InvalidArgument(f"without should hold {one.shape[0]} returns, holds {other.shape[0]}")
    n_bars = int(one.shape[0])
    found = drawdown_difference_interval(one, other, rng=rng, n_draws=n_draws)
    if found is None:
        return DRAWDOWN.unknown(n_bars, "Fewer than 30 bars, or returns without a drawdown defined.")
    note = _growth_note(one, other)
    return DRAWDOWN.measured(found[0], found[1], n_bars, note)


def _relative_changes(scores: Sequence[float | None]) -> FloatArray:
    pairs = zip(scores, list(scores)[1:], strict=False)
    return np.array(
        [
            after / before - 1.0
            for before, after in pairs
            if before is not None
            and after is not None
            and before >= MIN_RATIO_BASE
            and math.isfinite(before)
            and math.isfinite(after)
        ],
        dtype=np.float64,
    )


def _defined(values: Sequence[float | None]) -> FloatArray:
    return np.array([value for value in values if value is not None and math.isfinite(value)], dtype=float)


def _student(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def _minus_one(ratio: Interval | None) -> Interval | None:
    return None if ratio is None else Interval(ratio.low - 1.0, ratio.high - 1.0)


def _unbounded_note(ratio: Interval | None) -> str:
    if ratio is not None:
        return ""
    return "The baseline's Sharpe ratio is not told from 0, so the percentage has no bounded interval."


def _expectancy_note(expectancies: Sequence[float | None] | None) -> str:
    values = [value for value in expectancies or [] if value is not None]
    if not values:
        return "A win rate alone is no evidence."
    return f"Expectancy per trade went from {values[0]:.4g} to {values[-1]:.4g}."


def _growth_note(one: FloatArray, other: FloatArray) -> str:
    """Say what the overlay cost, since standing aside reduces any drawdown."""
    ratios = (sharpe_ratio(one, 1.0), sharpe_ratio(other, 1.0))
    if ratios[0] is None or ratios[1] is None:
        return ""
    word = "rose" if ratios[0] > ratios[1] else "did not rise"
    return f"The Sharpe ratio {word} with the overlay."
