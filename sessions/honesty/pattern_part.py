"""The pattern scan on one market of known truth, through `patterns.discovery.honesty`."""

from __future__ import annotations

import numpy as np

from patterns.discovery.features import Features
from patterns.discovery.honesty import NullOutcome, PlantedOutcome, run_null, run_planted
from patterns.discovery.pattern import Shape
from patterns.discovery.words import WordArray
from sessions.honesty.options import MarketTask, Mutant

# One bar ahead moves a letter's mean by a tenth of one return: too little for any null rate to see (measured).
BARS_AHEAD = 3


class EarlyFeatures(Features):
    """Words that know three bars ahead: the fault of the mutant "lookahead"."""

    def words(self, shape: Shape) -> WordArray:
        known = super().words(shape)
        return np.concatenate((known[BARS_AHEAD:], np.full(BARS_AHEAD, -1, dtype=known.dtype)))


def run_patterns_null(task: MarketTask) -> NullOutcome:
    return run_null(task.index, task.seed, make_features=_features(task))


def run_patterns_planted(task: MarketTask) -> PlantedOutcome:
    return run_planted(task.index, task.seed, make_features=_features(task))


def _features(task: MarketTask) -> type[Features]:
    return EarlyFeatures if task.mutant is Mutant.LOOKAHEAD else Features
