"""The difference of two Sharpe ratios on the same bars, with the interval that keeps its level best there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.stats.bootstrap import bootstrap_sharpe_difference
from trainingday.stats.hac import SAME_SERIES, compare_sharpe_ratios
from trainingday.typing import FloatArray

CONFIDENCE = 0.90
MIN_BARS_HAC = 1_000  # below, the bootstrap's interval keeps its level better
STREAM = 1_000_004  # of the bootstrap, apart from the streams of trials and tournaments


@dataclass(frozen=True)
class PairedDifference:
    """Annualised.

    Attributes
    ----------
    value, low, high : float or None
        Difference and its 90 % interval; None where undefined, or, of the interval, where both trade alike.
    method : str
        How the interval was made, for a note.
    """

    value: float | None
    low: float | None
    high: float | None
    method: str


def paired_difference(
    own: FloatArray, other: FloatArray, bars_per_year: float, seed: int
) -> PairedDifference:
    """Return Sharpe ratio of `own` minus that of `other`, net returns of shape (n_bars,) on the same bars."""
    annual = math.sqrt(bars_per_year)
    try:
        found = compare_sharpe_ratios(own, other)
    except InvalidArgument:  # a side that never traded, or too few bars
        return PairedDifference(None, None, None, "")
    difference = found.difference * annual
    if found.standard_error <= SAME_SERIES:
        return PairedDifference(difference, None, None, " (none: both trade alike)")
    if own.shape[0] >= MIN_BARS_HAC:
        half = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * found.standard_error * annual
        return PairedDifference(difference, difference - half, difference + half, " (HAC)")
    rng = np.random.default_rng(np.random.SeedSequence((seed, STREAM)))
    drawn = bootstrap_sharpe_difference(
        own, other, bars_per_year=bars_per_year, rng=rng, confidence=CONFIDENCE
    )
    return PairedDifference(difference, drawn.ci_low, drawn.ci_high, " (block bootstrap)")
