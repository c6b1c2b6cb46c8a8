"""Find values that change when the future does: the look-ahead check of every family, feature and overlay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainingday.bars import Bars
from trainingday.typing import BoolArray

# A leak that passes through a mean of many bars moves a value little; rounding moves it less.
RELATIVE_TOLERANCE = 1e-9
N_WARM_UP_CUTS = 10
N_WARM_UP_BARS = 60


def find_lookahead(
    compute: Callable[[Bars], NDArray[Any]],
    bars: Bars,
    n_cuts: int,
    rng: np.random.Generator,
) -> list[str]:
    """Return one line for each cut at which a value up to the cut depends on a bar after it.

    Parameters
    ----------
    compute : callable
        Bars to an array whose first axis is the bars.
    bars : Bars
        A market on which `compute` says something (not flat everywhere).
    n_cuts : int
        Cuts to try; some lie in the first bars, where warm-ups are.
    rng : Generator
        Draws the cuts and the altered futures.

    Notes
    -----
    Twice per cut: the future is cut off, and it is replaced by another that is many times as volatile.
    NaN must stay NaN. A `compute` that refuses the shorter bars with ValueError passes the truncation.
    """
    whole = compute(bars)
    problems = [] if whole.shape[0] == len(bars) else [f"holds {whole.shape[0]} values for {len(bars)} bars"]
    for cut in _cuts(len(bars), n_cuts, rng):
        try:
            truncated = compute(bars[:cut])
        except ValueError:
            truncated = whole[:cut]
        for name, other in (("truncated", truncated), ("altered", compute(alter_future(bars, cut, rng)))):
            changed = _changed(whole[:cut], other[:cut])
            if changed.any():
                first = int(np.flatnonzero(changed)[0])
                problems.append(f"bar {first} changes when the future after bar {cut - 1} is {name}")
    return problems


def alter_future(bars: Bars, cut: int, rng: np.random.Generator) -> Bars:
    """Return the bars with everything from bar `cut` on replaced by a wilder market."""
    n_future = len(bars) - cut
    close = bars.close[cut - 1] * np.exp(np.cumsum(0.05 * rng.standard_normal(n_future)))
    open_ = np.concatenate(([bars.close[cut - 1]], close[:-1])) * np.exp(0.01 * rng.standard_normal(n_future))
    high = np.maximum(open_, close) * (1 + 0.02 * rng.random(n_future))
    low = np.minimum(open_, close) * (1 - 0.02 * rng.random(n_future))
    volume = (bars.volume.max() + 1.0) * (1 + 9 * rng.random(n_future))
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    futures = (open_, high, low, close, volume)
    joined = [np.concatenate((column[:cut], future)) for column, future in zip(columns, futures, strict=True)]
    return Bars.create(bars.timestamps, *joined, gap_before=bars.gap_before)


def _cuts(n_bars: int, n_cuts: int, rng: np.random.Generator) -> list[int]:
    n_early = min(N_WARM_UP_CUTS, n_cuts)
    early = rng.integers(1, min(N_WARM_UP_BARS, n_bars), n_early)
    late = rng.integers(1, n_bars, n_cuts - n_early)
    return [int(cut) for cut in np.concatenate((early, late))]


def _changed(before: NDArray[Any], after: NDArray[Any]) -> BoolArray:
    if before.shape != after.shape:
        return np.ones(before.shape[0], dtype=np.bool_)
    same = np.isclose(
        before.astype(np.float64),
        after.astype(np.float64),
        rtol=RELATIVE_TOLERANCE,
        atol=RELATIVE_TOLERANCE,
        equal_nan=True,
    )
    return ~same.reshape(same.shape[0], -1).all(axis=1)
