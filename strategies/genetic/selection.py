"""Selection: ranks, tournaments, distinct elites, and the places that each family gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from strategies.genetic.population import Individual
from trainingday.typing import FloatArray, IntArray


def rank(fitness: FloatArray) -> IntArray:
    """Return the place of each individual, 0 the fittest.

    Parameters
    ----------
    fitness : ndarray of shape (n,)
        -inf or NaN where undefined: these come last.

    Returns
    -------
    ndarray of shape (n,)
        A permutation; ties go to the lower index, so that an incumbent (elites come first) stays.
    """
    order = np.argsort(-np.where(np.isnan(fitness), -np.inf, fitness), kind="stable")
    places = np.empty(fitness.shape[0], dtype=np.int64)
    places[order] = np.arange(fitness.shape[0])
    return places


def select_by_tournament(places: IntArray, n: int, size: int, rng: np.random.Generator) -> IntArray:
    """Return the winners of n tournaments.

    Parameters
    ----------
    places : ndarray of shape (n_individuals,)
        From `rank`; lower wins.
    n, size : int
        Tournaments, and contestants of each, drawn with replacement.
    rng : Generator

    Returns
    -------
    ndarray of shape (n,)
        Indices of individuals.
    """
    contestants = rng.integers(0, places.shape[0], (n, size))
    best = np.argmin(places[contestants], axis=1)
    winners: IntArray = contestants[np.arange(n), best]
    return winners


def select_pairs(places: IntArray, n: int, size: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return n pairs of different parents, each shape (n,), the fitter parent first."""
    first = select_by_tournament(places, n, size, rng)
    second = select_by_tournament(places, n, size, rng)
    # A parent drawn twice is paired with its neighbour instead: everyone has one, and none is favoured.
    second = np.where(second == first, (second + 1) % places.shape[0], second)
    swap = places[second] < places[first]
    return np.where(swap, second, first), np.where(swap, first, second)


def distinct_best(population: Sequence[Individual], order: Iterable[int], n: int) -> list[int]:
    """Return the indices of the first n individuals of `order` whose genomes all differ."""
    seen: set[tuple[str, tuple[float, ...]]] = set()
    chosen: list[int] = []
    for index in order:
        if len(chosen) == n:
            break
        if population[index].genome not in seen:
            seen.add(population[index].genome)
            chosen.append(index)
    return chosen


def family_merit(places: IntArray, members: IntArray) -> float:
    """Return how good a family's best quarter is, 0 (last) to 1 (first of the population).

    The mean over its best quarter, not a sum: a family earns places by the quality of its best, not
    by how many it already has, which is what keeps one niche from swallowing the others.
    """
    if members.size == 0 or places.size < 2:
        return 0.0
    best = np.sort(places[members])[: max(1, members.size // 4)]
    return float(1 - best.mean() / (places.size - 1))


def share_places(
    n_places: int,
    merit: FloatArray,
    capacity: FloatArray,
    least: IntArray,
    min_share: float,
    max_share: float,
) -> IntArray:
    """Return how many places each family gets.

    Parameters
    ----------
    n_places : int
    merit : ndarray of shape (n_families,)
        >= 0; places beyond the minimum are given in proportion to its square.
    capacity : ndarray of shape (n_families,)
        Most places that a family can use (its number of different genomes).
    least : ndarray of shape (n_families,)
        Places that are taken already (elites, founders), within n_places and capacity.
    min_share, max_share : float
        Niche limits as shares of n_places. The minimum is at least one place where there are as many
        places as families; limits that cannot hold together give way: the minimum to the number of
        families or to `least`, the maximum to filling every place.

    Returns
    -------
    ndarray of shape (n_families,), int64
        Sums to min(n_places, sum of capacity).
    """
    n_families = merit.shape[0]
    floor = min(max(1, int(min_share * n_places)), n_places // n_families)
    ceiling = max(int(np.ceil(max_share * n_places)), -(-n_places // n_families))
    quotas = np.maximum(np.minimum(floor, capacity), least)
    if quotas.sum() > n_places:
        quotas = least.astype(np.float64)
    weight = np.maximum(merit, 1e-9) ** 2
    # First within the ceiling, then, if families without room leave places over, beyond it.
    for limit in (np.minimum(ceiling, capacity), capacity):
        quotas = _fill(quotas, np.maximum(limit, quotas), weight, n_places)
    shared: IntArray = quotas.astype(np.int64)
    return shared


def _fill(quotas: FloatArray, limit: FloatArray, weight: FloatArray, n_places: int) -> FloatArray:
    """Return quotas raised in proportion to weight up to limit until the places are used."""
    filled = quotas.astype(np.float64)
    while (left := n_places - filled.sum()) >= 1:
        is_open = filled < limit
        if not is_open.any():
            break
        share = np.where(is_open, weight, 0.0)
        wanted = left * share / share.sum()
        step = np.minimum(np.floor(wanted), limit - filled)
        if step.sum() == 0:
            # Less than one place each: one to each of the largest remainders, the earlier in a tie.
            step = np.zeros_like(filled)
            step[np.argsort(-wanted, kind="stable")[: int(left)]] = 1.0
            step *= is_open
        filled = filled + step
    return filled
