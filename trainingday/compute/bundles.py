"""Bundles: bars as plain arrays in a file, for the processes that evaluate tasks."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from trainingday.bars import Bars

_COLUMNS = ("timestamps", "open", "high", "low", "close", "volume", "gap_before")


def save_bundle(path: Path, bars: Bars) -> None:
    """Write bars as plain arrays that `load_bundle` reads in another process."""
    with path.open("wb") as stream:
        np.savez(stream, **{name: getattr(bars, name) for name in _COLUMNS})


def load_bundle(path: str) -> Bars:
    """Return the bars of a bundle, checked."""
    with np.load(path, allow_pickle=False) as arrays:
        return Bars.create(*(arrays[name] for name in _COLUMNS))


def kept_bundle(path: str) -> Bars:
    """Return the bars of a bundle, read once for as long as its file stays as it is."""
    return _loaded(path, Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _loaded(path: str, modified: int) -> Bars:
    return load_bundle(path)
