"""What a scan tries, fixed before any outcome is looked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from patterns.discovery.pattern import REGIMES, Shape
from trainingday.exceptions import InvalidArgument

Progress = Callable[[float, str], None]
N_REGIMES = 3


@dataclass(frozen=True)
class MiningOptions:
    """The fixed list of candidates and the rules that judge them.

    Attributes
    ----------
    windows : bars in a window, one candidate set each.
    n_segments, n_letters : letters in a word and size of the alphabet.
    horizons : bars that a position is held.
    regimes : what a candidate may ask of the market beside the word, of volatility, volume, trend and
        place in the range, in this order.
    max_conditions : how many of them at once, at most; the defaults are measured in docs/PATTERNS.md.
    min_occurrences : thinned occurrences without which a candidate is not tested.
    false_discovery_rate : share of false ones tolerated among the candidates found, over all tested.
    min_sightings : thinned sightings on later bars without which a candidate is not confirmed.
    confirmation_rate : the same share for the confirmation, over all candidates found.
    cost_per_side : fee and slippage of one fill, fraction of its value.
    success_threshold : a sighting succeeds if its return after costs is above this fraction.
    max_overlap : share of active bars that two confirmed patterns of one direction may share.
    """

    windows: tuple[int, ...] = (50,)
    n_segments: int = 5
    n_letters: int = 3
    horizons: tuple[int, ...] = (1, 2, 5, 10, 20, 50)
    regimes: tuple[str, ...] = REGIMES
    max_conditions: int = 1
    min_occurrences: int = 30
    false_discovery_rate: float = 0.10
    min_sightings: int = 10
    confirmation_rate: float = 0.10
    cost_per_side: float = 0.0015
    success_threshold: float = 0.0
    max_overlap: float = 0.30

    def __post_init__(self) -> None:
        for name in ("windows", "horizons"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise InvalidArgument(f"{name} should be distinct and not empty, is {values}")
        if min(self.horizons) < 1:
            raise InvalidArgument(f"horizons should be >= 1 bar, hold {min(self.horizons)}")
        if self.regimes != tuple(name for name in REGIMES if name in self.regimes):
            raise InvalidArgument(f"regimes should be some of {REGIMES} in this order, are {self.regimes}")
        if self.max_conditions < 0:
            raise InvalidArgument(f"max_conditions should be >= 0, is {self.max_conditions}")
        for name in ("false_discovery_rate", "confirmation_rate"):
            if not 0 < getattr(self, name) < 1:
                raise InvalidArgument(f"{name} should be within 0..1, is {getattr(self, name)}")
        for name in ("min_occurrences", "min_sightings"):
            if getattr(self, name) < 3:
                raise InvalidArgument(f"{name} should be >= 3, is {getattr(self, name)}")
        if not 0 <= self.cost_per_side <= 0.2:
            raise InvalidArgument(f"cost_per_side should be 0..0.2, is {self.cost_per_side}")
        if not 0 <= self.max_overlap <= 1:
            raise InvalidArgument(f"max_overlap should be 0..1, is {self.max_overlap}")
        if not math.isfinite(self.success_threshold):
            raise InvalidArgument(f"success_threshold should be finite, is {self.success_threshold}")
        _ = self.shapes

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return tuple(Shape(window, self.n_segments, self.n_letters) for window in self.windows)

    @property
    def n_listed(self) -> int:
        """Return how many cells the list holds: words x regimes asked for x horizons."""
        asked = 0
        for n in range(self.max_conditions + 1):
            asked += math.comb(len(self.regimes), n) * N_REGIMES**n
        return sum(shape.n_words for shape in self.shapes) * asked * len(self.horizons)


@dataclass(frozen=True)
class Segments:
    """The bars that a scan may see: regime cuts come from train, occurrences from both."""

    train: slice
    validation: slice | None = None

    def checked(self, n_bars: int) -> tuple[tuple[int, int], ...]:
        """Return (start, stop) of each segment, in time order.

        Raises
        ------
        InvalidArgument
            If a segment is empty, has a step, leaves the bars, or validation starts within train.
        """
        bounds = [bounds_of(self.train, n_bars, "train")]
        if self.validation is not None:
            bounds.append(bounds_of(self.validation, n_bars, "validation"))
            if bounds[1][0] < bounds[0][1]:
                raise InvalidArgument(
                    f"validation should start at or after bar {bounds[0][1]}, starts at {bounds[1][0]}"
                )
        return tuple(bounds)


def bounds_of(segment: slice, n_bars: int, name: str = "segment") -> tuple[int, int]:
    """Return (start, stop) of a slice of bars, or raise InvalidArgument if it holds none."""
    start, stop, step = segment.indices(n_bars)
    if step != 1 or stop <= start:
        raise InvalidArgument(f"{name} should be a slice of at least 1 of {n_bars} bars, is {segment}")
    return start, stop
