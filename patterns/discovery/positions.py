"""Positions: what a set of confirmed patterns holds at each bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from patterns.discovery.features import Features
from patterns.discovery.outcomes import thin_mask
from patterns.discovery.pattern import Pattern
from patterns.discovery.sightings import features_of
from trainingday.bars import Bars
from trainingday.typing import BoolArray, FloatArray


def pattern_positions(
    bars: Bars, patterns: Sequence[Pattern], *, features: Features | None = None
) -> FloatArray:
    """Return the target position that a pattern set takes, decided at each bar's close.

    Each pattern's sighting is held for `horizon` bars from the next open in its direction;
    occurrences while it is held change nothing, so its trades are its sightings. Patterns that are
    held at the same time average. No pattern held is flat.

    Returns
    -------
    ndarray of shape (n_bars,)
        Fractions in [-1, 1]; the value at bar t comes from bars <= t and is filled at the open of
        t + 1.

    Raises
    ------
    InvalidArgument
        If `features` are of other bars.
    """
    features = features_of(bars, features)
    total = np.zeros(len(bars))
    n_held = np.zeros(len(bars))
    for pattern in patterns:
        is_held = held_bars(features, pattern)
        total += pattern.direction * is_held
        n_held += is_held
    return np.clip(total / np.maximum(n_held, 1), -1.0, 1.0)


def held_bars(features: Features, pattern: Pattern, segment: slice | None = None) -> BoolArray:
    """Return whether the pattern wants a position at each bar of the segment, default all bars.

    Its first sighting is the first of the segment: a segment starts flat.
    """
    is_seen = features.occurrences(pattern, segment)
    kept = thin_mask(is_seen, pattern.horizon)
    change = np.zeros(is_seen.shape[0] + 1, dtype=np.int64)
    np.add.at(change, kept, 1)
    np.add.at(change, np.minimum(kept + pattern.horizon, is_seen.shape[0]), -1)
    result: BoolArray = np.cumsum(change)[:-1] > 0
    return result
