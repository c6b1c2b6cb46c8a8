"""The order of time: train, validation, the sealed test window, and the bars that came after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from trainingday.exceptions import InvalidArgument, NotEnoughBars
from trainingday.typing import IntArray

LONGEST_LOOKBACK = 128  # bars that an observation reaches back
LONGEST_HORIZON = 50  # bars that a label or pattern reaches ahead
DEFAULT_GAP = LONGEST_LOOKBACK + LONGEST_HORIZON
VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2
MIN_TRAIN = 500
MIN_VALIDATION = 250
MIN_TEST = 250  # gate rule G1


class Window(Protocol):
    """Anything that names the first and last bar of a test segment, microseconds UTC."""

    @property
    def first_us(self) -> int: ...

    @property
    def last_us(self) -> int: ...


@dataclass(frozen=True)
class Split:
    """Segments as slices into the bars, in time order.

    Attributes
    ----------
    train, validation, test : slice
        Disjoint, each two neighbours `gap` bars apart.
    forward : slice
        Bars after the test window; empty until newer data arrives.
    gap : int
        Purged bars between segments, at least the longest lookback plus the longest horizon.
    """

    train: slice
    validation: slice
    test: slice
    forward: slice
    gap: int

    def sizes(self) -> dict[str, int]:
        """Return the number of bars per segment."""
        names = ("train", "validation", "test", "forward")
        return {name: getattr(self, name).stop - getattr(self, name).start for name in names}


def test_length(n_bars: int, gap: int = DEFAULT_GAP) -> int:
    """Return how many bars a fresh test window takes of a dataset: a fifth, at least 250."""
    return max(MIN_TEST, int(TEST_SHARE * max(n_bars - 2 * gap, 0)))


test_length.__test__ = False  # type: ignore[attr-defined]  # pytest collects by name


def plan_split(
    n_bars: int, timestamps: IntArray, window: Window | None = None, gap: int = DEFAULT_GAP
) -> Split:
    """Return the segments of a dataset.

    Parameters
    ----------
    n_bars : int
        Length of the dataset.
    timestamps : ndarray of shape (n_bars,), int64
        Bar opens, microseconds UTC, strictly increasing.
    window : Window or None
        The market's test window; None takes the last fifth of the bars.
    gap : int
        Purged bars between segments.

    Returns
    -------
    Split
        Without a window 60 / 20 / 20 of the bars that the two gaps leave; with one, the bars before it are
        shared 3 : 1 between train and validation, and the bars after it are `forward`.

    Raises
    ------
    NotEnoughBars
        If train would hold < 500, validation < 250 or test < 250 bars, or the window is not in the data.
    InvalidArgument
        If `gap` is negative or `timestamps` has another length than `n_bars`.

    Notes
    -----
    Short datasets keep 250 bars for validation and test and give train the rest, so that
    1,000 + 2 * gap bars are enough.
    """
    if gap < 0:
        raise InvalidArgument(f"gap should be >= 0, is {gap}")
    if timestamps.shape != (n_bars,):
        raise InvalidArgument(f"timestamps should have shape ({n_bars},), has {timestamps.shape}")
    if window is None:
        test = slice(max(n_bars - test_length(n_bars, gap), 0), n_bars)
    else:
        test = slice(
            int(np.searchsorted(timestamps, window.first_us, side="left")),
            int(np.searchsorted(timestamps, window.last_us, side="right")),
        )
        if test.stop <= test.start:
            raise NotEnoughBars("the dataset has no bars in the market's test window; load a longer history")
    _require("test", test.stop - test.start, MIN_TEST, n_bars, gap)
    share = VALIDATION_SHARE / (1 - TEST_SHARE)
    n_validation = max(MIN_VALIDATION, int(share * max(test.start - 2 * gap, 0)))
    validation = slice(test.start - gap - n_validation, test.start - gap)
    train = slice(0, max(validation.start - gap, 0))
    if validation.start < 0:
        _require("validation", max(test.start - gap, 0), MIN_VALIDATION, n_bars, gap)
    _require("train", train.stop, MIN_TRAIN, n_bars, gap)
    return Split(train, validation, test, slice(test.stop, n_bars), gap)


def _require(segment: str, held: int, needed: int, n_bars: int, gap: int) -> None:
    if held < needed:
        least = MIN_TRAIN + MIN_VALIDATION + MIN_TEST + 2 * gap
        raise NotEnoughBars(
            f"{segment} should hold >= {needed} bars, holds {held}: the dataset has {n_bars:,} bars, a split "
            f"needs about {least:,} (two purge gaps of {gap} included)"
        )
