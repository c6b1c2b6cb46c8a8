"""Template: what a pattern looks like, as the mean of its normalised windows with a band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from patterns.discovery.features import Features
from patterns.discovery.pattern import Pattern
from patterns.discovery.sightings import features_of, find_sightings
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray, IntArray, JSONDict

MAX_WINDOWS = 5_000


@dataclass(frozen=True, eq=False)
class Template:
    """The mean path of a pattern's sightings, in standard deviations of the window's closes.

    Attributes
    ----------
    offset : ndarray of shape (window + horizon + 1,), bars from the decision bar: 1 - window ..
        horizon + 1. What follows the decision bar is averaged over the sightings that have it.
    mean, low, high : ndarray of the same shape; NaN where no sighting has the bar.
    n : sightings drawn from.
    quantiles : of the band, fractions.
    """

    offset: IntArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    n: int
    quantiles: tuple[float, float]

    def as_dict(self) -> JSONDict:
        """Return the paths as lists, JSON-safe: None where undefined."""
        paths = {
            name: [float(value) if np.isfinite(value) else None for value in getattr(self, name)]
            for name in ("mean", "low", "high")
        }
        return {"offset": self.offset.tolist(), **paths, "n": self.n, "quantiles": list(self.quantiles)}


def offsets(pattern: Pattern) -> IntArray:
    """Return the bars of a drawn path, counted from the decision bar: 1 - window .. horizon + 1."""
    return np.arange(1 - pattern.shape.window, pattern.horizon + 2)


def normalised_paths(bars: Bars, pattern: Pattern, ends: IntArray, stop: int) -> FloatArray:
    """Return the closes around decision bars in standard deviations of the window that ends there.

    Parameters
    ----------
    ends : ndarray of shape (n,), decision bars, each with a whole window before it
    stop : int, the first bar that may not be drawn

    Returns
    -------
    ndarray of shape (n, window + horizon + 1)
        NaN from `stop` on.
    """
    index = ends[:, None] + offsets(pattern)[None, :]
    closes = bars.close[np.minimum(index, stop - 1)]
    window = closes[:, : pattern.shape.window]
    paths: FloatArray = (closes - window.mean(axis=1, keepdims=True)) / window.std(axis=1, keepdims=True)
    paths[index >= stop] = np.nan
    return paths


def template(
    bars: Bars,
    pattern: Pattern,
    segment: slice | None = None,
    *,
    quantiles: tuple[float, float] = (0.1, 0.9),
    features: Features | None = None,
) -> Template | None:
    """Return the pattern's mean normalised path with a quantile band, or None if it was never seen.

    Of more than 5,000 sightings an even sample is drawn, so that memory stays bounded.

    Raises
    ------
    InvalidArgument
        If the quantiles are not 0 <= low < high <= 1, or the segment holds no bar.
    """
    if not 0 <= quantiles[0] < quantiles[1] <= 1:
        raise InvalidArgument(f"quantiles should be 0 <= low < high <= 1, are {quantiles}")
    features = features_of(bars, features)
    ends = find_sightings(bars, pattern, segment, features=features).decision_bar
    if not ends.size:
        return None
    if ends.size > MAX_WINDOWS:
        ends = ends[np.linspace(0, ends.size - 1, MAX_WINDOWS).astype(np.int64)]
    stop = len(bars) if segment is None else segment.indices(len(bars))[1]
    offset = offsets(pattern)
    paths = normalised_paths(bars, pattern, ends, stop)
    is_known = np.isfinite(paths).any(axis=0)
    mean, low, high = (np.full(offset.size, np.nan) for _ in range(3))
    mean[is_known] = np.nanmean(paths[:, is_known], axis=0)
    low[is_known], high[is_known] = np.nanquantile(paths[:, is_known], quantiles, axis=0)
    return Template(offset, mean, low, high, int(ends.size), quantiles)
