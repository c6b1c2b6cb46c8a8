"""The latest position of a strategy: computed by the worker that follows the market, read by the signal."""

from __future__ import annotations

import contextlib

import numpy as np

from strategies.models import LatestPosition, Strategy
from strategies.positions import positions_of
from strategies.walks import Walks
from trainingday.bars import Bars
from trainingday.exceptions import ArtifactRejected
from trainingday.markets.models import Dataset
from trainingday.markets.queries import query_bars
from trainingday.policy.observation import n_alike
from trainingday.typing import FloatArray

FIELDS = ("dataset", "position", "since_us", "bar_us", "walks")


def query_latest(strategy: Strategy, dataset: Dataset) -> LatestPosition:
    """Return the position of a strategy after a dataset's last bar, computing it where it is not stored.

    A model then walks only the bars after those that the stored row, of an earlier dataset, has in common with
    this one; the result is that of a walk over all of them.
    """
    stored = LatestPosition.objects.filter(strategy=strategy)
    latest = stored.filter(dataset=dataset).defer("walks").first()
    return latest or _compute(strategy, dataset, stored.select_related("dataset").first())


def latest_position(
    strategy: Strategy, dataset: Dataset, bars: Bars, positions: FloatArray, walks: Walks | None = None
) -> LatestPosition:
    """Return the unsaved last position of a strategy, and the first bar from which on it held it.

    `positions`, shape (n_bars,), are the strategy's on `bars`, which are the dataset's; `walks`, with which they
    were asked for, is kept where the row is to be stored.
    """
    changed = np.flatnonzero(positions != positions[-1])
    first = int(changed[-1]) + 1 if changed.size else 0
    return LatestPosition(
        strategy=strategy,
        dataset=dataset,
        position=float(positions[-1]),
        since_us=int(bars.timestamps[first]),
        bar_us=int(bars.timestamps[-1]),
        walks=walks.to_bytes() if walks else b"",
    )


def store_latest(latest: LatestPosition) -> None:
    """Keep it in place of the strategy's earlier one; storing it again changes nothing."""
    LatestPosition.objects.update_or_create(
        strategy=latest.strategy, defaults={name: getattr(latest, name) for name in FIELDS}
    )


def _compute(strategy: Strategy, dataset: Dataset, earlier: LatestPosition | None) -> LatestPosition:
    bars = query_bars(dataset)
    walks = _walks_before(earlier, bars)
    return latest_position(strategy, dataset, bars, positions_of(strategy, bars, walks))


def _walks_before(earlier: LatestPosition | None, bars: Bars) -> Walks:
    """Return walks that go on where the stored ones and these bars part; from the start where none is of use."""
    if earlier is not None and earlier.walks:
        with contextlib.suppress(ArtifactRejected):  # the earlier bars are gone, and these can do without
            return Walks.going_on(earlier.walks, n_alike(query_bars(earlier.dataset), bars))
    return Walks()
