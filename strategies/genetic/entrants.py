"""Entrants that always take part: buy and hold, flat, and random with the same turnover."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray, IntArray


def buy_and_hold_positions(n_bars: int) -> FloatArray:
    """Return positions of 1, shape (n_bars,)."""
    return np.ones(_checked_length(n_bars))


def flat_positions(n_bars: int) -> FloatArray:
    """Return positions of 0, shape (n_bars,)."""
    return np.zeros(_checked_length(n_bars))


def random_positions(reference: FloatArray, n_draws: int, seed: int) -> FloatArray:
    """Return position series that trade as much as a reference, at random times.

    Parameters
    ----------
    reference : ndarray of shape (n_bars,)
        Target positions in [-1, 1].
    n_draws : int
        Number of series.
    seed : int

    Returns
    -------
    ndarray of shape (n_draws, n_bars)
        Each holds the reference's positions in another order, so exposure is equal bar for bar; also
        equal are the turnover (sum of |changes|, the first from 0), the number of changes, and how
        often each of short, flat and long follows each other.

    Notes
    -----
    The reference is cut into runs of one sign. The order of signs is redrawn as a random walk through
    the same multiset of transitions (Altschul and Erickson 1985); runs of one sign change places, their
    holding times with them; flat time is split anew at random. A last run in the market keeps its
    place at the end, because it alone is not paid for twice. A reference of a single run, such as
    buy and hold, has no other order and comes back unchanged.

    Raises
    ------
    InvalidArgument
        If the reference is no vector of numbers in [-1, 1], or n_draws < 1.
    """
    if reference.ndim != 1 or reference.size == 0 or not np.all(np.abs(reference) <= 1):
        raise InvalidArgument("reference should be a vector of positions in -1..1, is not")
    if n_draws < 1:
        raise InvalidArgument(f"n_draws should be >= 1, is {n_draws}")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    signs = np.sign(reference).astype(np.int64)
    edges = np.flatnonzero(np.diff(signs)) + 1
    runs = np.split(reference, edges)
    order = signs[np.concatenate(([0], edges))]
    return np.stack([_shuffle_runs(runs, order, rng) for _ in range(n_draws)])


def _shuffle_runs(runs: list[FloatArray], order: IntArray, rng: np.random.Generator) -> FloatArray:
    shuffled_order = _shuffle_walk(order, rng)
    stock: dict[int, list[FloatArray]] = {}
    for sign in (-1, 1):
        own = [run for run, s in zip(runs, order.tolist(), strict=True) if s == sign]
        last = [own.pop()] if order[-1] == sign else []
        # Taken from the end of the list, so the run that must close the series goes first.
        stock[sign] = last + [own[i] for i in rng.permutation(len(own)).tolist()]
    flat = [run for run, s in zip(runs, order.tolist(), strict=True) if s == 0]
    stock[0] = [np.zeros(n) for n in _split_at_random(sum(map(len, flat)), len(flat), rng)]
    return np.concatenate([stock[sign].pop() for sign in shuffled_order])


def _split_at_random(total: int, n_parts: int, rng: np.random.Generator) -> list[int]:
    """Return positive whole numbers that sum to total, every such composition equally likely."""
    if n_parts == 0:
        return []
    cuts = np.sort(rng.permutation(total - 1)[: n_parts - 1]) + 1
    parts: list[int] = np.diff(cuts, prepend=0, append=total).tolist()
    return parts


def _shuffle_walk(order: IntArray, rng: np.random.Generator) -> list[int]:
    """Return a random walk with the same start, end and transitions as `order`."""
    walk: list[int] = order.tolist()
    end = walk[-1]
    exits: dict[int, list[int]] = {sign: [] for sign in set(walk)}
    for here, there in pairwise(walk):
        exits[here].append(there)
    final = _draw_final_exits(exits, end, rng)
    for sign, targets in exits.items():
        if sign in final:
            targets.remove(final[sign])
        exits[sign] = [targets[i] for i in rng.permutation(len(targets)).tolist()]
        if sign in final:
            exits[sign].append(final[sign])
    taken = dict.fromkeys(exits, 0)
    path = [walk[0]]
    for _ in range(len(walk) - 1):
        here = path[-1]
        path.append(exits[here][taken[here]])
        taken[here] += 1
    return path


def _draw_final_exits(exits: dict[int, list[int]], end: int, rng: np.random.Generator) -> dict[int, int]:
    """Return for each sign but the last the exit used last, all leading to the end: else a walk is stuck."""
    while True:
        final = {sign: targets[rng.integers(len(targets))] for sign, targets in exits.items() if sign != end}
        if all(_leads_to(sign, end, final) for sign in final):
            return final


def _leads_to(sign: int, end: int, final: dict[int, int]) -> bool:
    for _ in range(len(final) + 1):
        if sign == end:
            return True
        sign = final[sign]
    return False


def _checked_length(n_bars: int) -> int:
    if n_bars < 1:
        raise InvalidArgument(f"n_bars should be >= 1, is {n_bars}")
    return n_bars
