"""The latest position of a strategy: computed by the worker that follows the market, read by the signal."""

from __future__ import annotations

import numpy as np

from strategies.models import LatestPosition, Strategy
from trainingday.bars import Bars
from trainingday.markets.models import Dataset
from trainingday.typing import FloatArray


def latest_position(
    strategy: Strategy, dataset: Dataset, bars: Bars, positions: FloatArray
) -> LatestPosition:
    """Return the unsaved last position of a strategy, and the first bar from which on it held it.

    `positions`, shape (n_bars,), are the strategy's on `bars`, which are the dataset's.
    """
    changed = np.flatnonzero(positions != positions[-1])
    first = int(changed[-1]) + 1 if changed.size else 0
    return LatestPosition(
        strategy=strategy,
        dataset=dataset,
        position=float(positions[-1]),
        since_us=int(bars.timestamps[first]),
        bar_us=int(bars.timestamps[-1]),
    )


def store_latest(latest: LatestPosition) -> None:
    """Keep it in place of the strategy's earlier one; storing it again changes nothing."""
    LatestPosition.objects.update_or_create(
        strategy=latest.strategy,
        defaults={name: getattr(latest, name) for name in ("dataset", "position", "since_us", "bar_us")},
    )
