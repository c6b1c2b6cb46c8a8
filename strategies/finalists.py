"""What is shown of a tournament's finalists beside their scores: equity, and the bars nobody chose them on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strategies.ensembles import ENSEMBLE, load_members
from strategies.models import Strategy
from strategies.positions import MODEL_FAMILY, PATTERN_FAMILY, positions_of
from strategies.scoring import ValidationScorer
from trainingday.typing import JSONDict

FITTED = (MODEL_FAMILY, PATTERN_FAMILY)
N_REVIEWED = 100
N_CURVES = 5
N_POINTS = 300


def review(scorer: ValidationScorer, earlier: slice, leaders: Sequence[tuple[str, Strategy]]) -> JSONDict:
    """Return equity curves and earlier Sharpe ratios of a tournament's leaders, JSON-safe.

    Parameters
    ----------
    scorer : ValidationScorer
    earlier : slice
        The train segment: bars before validation, on which nobody was selected. The sealed test segment
        can say nothing here.
    leaders : sequence of (uid, Strategy)
        The winner first, then the fittest; those that traded alike are there once.

    Returns
    -------
    dict
        `curves`: `times` (microseconds UTC) and, for the winner, the fittest of each other family (5 in all)
        and buy & hold, `uid`, `label` and `equity`, from 1 at the start of validation, net of costs. `earlier`:
        for each leader `uid`, `family`, `validation` and `earlier`, annualised Sharpe ratios net of costs;
        `earlier` is None where undefined and where a model or patterns were fitted on those bars.
    """
    start, stop = scorer.validation.start, scorer.validation.stop
    shown = np.unique(np.linspace(start, stop - 1, N_POINTS).round().astype(np.int64))
    curves: list[JSONDict] = []
    ratios: list[JSONDict] = []
    drawn: set[str] = set()
    for uid, strategy in leaders[:N_REVIEWED]:
        scorer.on_progress(0)
        positions = positions_of(strategy, scorer.bars)
        if strategy.family not in drawn and len(drawn) < N_CURVES:
            drawn.add(strategy.family)
            curves.append({"uid": uid, "label": strategy.label, "equity": _equity(scorer, positions, shown)})
        was_trained = _is_trained(strategy)
        ratios.append(
            {
                "uid": uid,
                "family": strategy.family,
                "validation": scorer.sharpe_on(positions, scorer.validation),
                "earlier": None if was_trained else scorer.sharpe_on(positions, earlier),
            }
        )
    hold = np.ones(len(scorer.bars))
    curves.append({"uid": "", "label": "buy_and_hold", "equity": _equity(scorer, hold, shown)})
    times = [int(stamp) for stamp in scorer.bars.timestamps[shown]]
    return {"curves": {"times": times, "lines": curves}, "earlier": ratios}


def _equity(scorer: ValidationScorer, positions: np.ndarray, shown: np.ndarray) -> list[float]:
    equity = scorer.equity(positions)
    return [float(f"{value:.6g}") for value in equity[shown - scorer.validation.start]]


def _is_trained(strategy: Strategy) -> bool:
    """Return whether it was fitted on bars before validation: a model, patterns, or an ensemble with one."""
    if strategy.family == ENSEMBLE.name:
        return any(member.family in FITTED for member in load_members(strategy.artifact))
    return strategy.family in FITTED
