"""Features: words and regimes of one market's bars, each computed once and only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from patterns.discovery.outcomes import BaseRate, gap_counts
from patterns.discovery.pattern import REGIMES, Pattern, RegimeCuts, Shape
from patterns.discovery.regimes import MarketState, RegimeArray, classify
from patterns.discovery.words import WordArray, compute_words
from trainingday.bars import Bars
from trainingday.typing import BoolArray, FloatArray, IntArray


class Features:
    """What patterns read of `bars`; share one between calls on the same bars to save the work.

    Every value at bar t comes from bars <= t.
    """

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        # Base rates already counted, by segment, trade and costs; see `sightings.base_rate`.
        self.base_rates: dict[tuple[float, ...], BaseRate] = {}
        self._words: dict[Shape, WordArray] = {}
        self._regimes: dict[tuple[str, tuple[float, float] | None], RegimeArray] = {}

    @cached_property
    def state(self) -> MarketState:
        return MarketState(self.bars)

    @cached_property
    def log_open(self) -> FloatArray:
        log_open: FloatArray = np.log(self.bars.open)
        return log_open

    @cached_property
    def n_gaps(self) -> IntArray:
        """Return the number of gaps up to each bar: equal at two bars if none lies between."""
        return gap_counts(self.bars)

    def words(self, shape: Shape) -> WordArray:
        """Return `compute_words`, shape (n_bars,)."""
        if shape not in self._words:
            self._words[shape] = compute_words(self.bars, shape)
        return self._words[shape]

    def regimes(self, cuts: RegimeCuts, names: Sequence[str] = REGIMES[:2]) -> RegimeArray:
        """Return the regime of each named feature at each bar, shape (n_names, n_bars), -1 for none."""
        known = np.empty((len(names), len(self.bars)), dtype=np.int8)
        for row, name in enumerate(names):
            known[row] = self._regime(name, getattr(cuts, name))
        return known

    def occurrences(self, pattern: Pattern, segment: slice | None = None) -> BoolArray:
        """Return whether the pattern is seen at the close of each bar of the segment, default all."""
        bars = segment or slice(None)
        is_seen: BoolArray = self.words(pattern.shape)[bars] == pattern.word
        for name in REGIMES:
            regime = getattr(pattern, name)
            if regime is not None:
                is_seen &= self._regime(name, getattr(pattern.cuts, name))[bars] == regime
        # Without a known volatility an outcome has no scale: such bars took no part in the mining.
        is_seen &= self._has_volatility[bars]
        return is_seen

    @cached_property
    def _has_volatility(self) -> BoolArray:
        return np.isfinite(self.state.volatility)

    def _regime(self, name: str, cuts: tuple[float, float] | None) -> RegimeArray:
        if (name, cuts) not in self._regimes:
            self._regimes[name, cuts] = classify(getattr(self.state, name), cuts)
        return self._regimes[name, cuts]
