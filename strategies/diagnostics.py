"""What is reported beside a tournament and never decides: data snooping over its founders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strategies.genetic.genes import BreedingFamily
from strategies.genetic.population import Individual, Operator
from strategies.library.base import Family
from strategies.library.registry import get_family
from strategies.scoring import ValidationScorer
from trainingday.stats.selection import superior_predictive_ability
from trainingday.typing import FloatArray, JSONDict

# Chosen before any bar of validation was seen; a past champion or a model was not.
FIXED = (Operator.DEFAULT, Operator.RANDOM)
MAX_FOUNDERS = 200
STREAM = 1_000_003  # apart from the streams of the generations


def data_snooping(
    scorer: ValidationScorer,
    families: Sequence[BreedingFamily],
    individuals: Sequence[Individual],
    baseline: str,
    seed: int,
) -> JSONDict:
    """Return Hansen's SPA test of the founders on validation against the market baseline, JSON-safe.

    Parameters
    ----------
    scorer : ValidationScorer
    families : sequence of BreedingFamily
    individuals : sequence of Individual
        Of any generations; only founders with default or random parameters take part, at most 200. Over
        candidates that the search visited the test would be wrong (size 19 to 21 % at 5 %).
    baseline : str
        "flat" or "buy_and_hold".
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        `p_value` (None where undefined: is none of the founders better than the baseline?), `n_candidates`,
        `baseline`.
    """
    library = {family.name: family for family in families if isinstance(family, Family)}
    founders = [
        one for one in individuals if one.generation == 0 and one.operator in FIXED and one.family in library
    ][:MAX_FOUNDERS]
    returns = [_returns(scorer, library[one.family], one.parameters) for one in founders]
    benchmark = scorer.returns(get_family(baseline).positions(scorer.bars, {}))
    rng = np.random.default_rng(np.random.SeedSequence((seed, STREAM)))
    found = superior_predictive_ability(np.column_stack(returns), benchmark, rng=rng) if returns else None
    return {
        "p_value": None if found is None else found.p_value,
        "n_candidates": len(founders),
        "baseline": baseline,
    }


def _returns(scorer: ValidationScorer, family: Family, parameters: Sequence[float]) -> FloatArray:
    names = [gene.name for gene in family.parameters]
    return scorer.returns(family.positions(scorer.bars, dict(zip(names, parameters, strict=True))))
