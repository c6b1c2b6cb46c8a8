"""Several objectives at once: the front, the winner that is taken from it, and breeding towards it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from strategies.genetic.brood import Brood, make_rng, rows
from strategies.genetic.evolve import Breeder
from strategies.genetic.genes import BreedingFamily, GeneSpace, gene_spaces
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.population import Individual, Operator
from trainingday.typing import BoolArray, FloatArray

SMALLEST_MATING = 2
LEAST_SHARE = 0.8
WINNER_RULE = (
    f"Of the front's entrants with at least {LEAST_SHARE:.0%} of its best fitness, the one nearest to the "
    "shallowest drawdown and the least turnover among them, each scaled to its range."
)


class Offspring(Protocol):
    """What NSGA-II makes of a generation; `trainingday.nsga2.Offspring` is one."""

    @property
    def survivors(self) -> tuple[int, ...]: ...
    @property
    def couples(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def crossed(self) -> FloatArray: ...
    @property
    def children(self) -> FloatArray: ...


Breed = Callable[[FloatArray, FloatArray, int, int, int], Offspring]


def objectives(individuals: Sequence[Individual]) -> FloatArray:
    """Return what is maximised, shape (n, 3): fitness, max drawdown (<= 0) and minus turnover.

    NaN where undefined: such an individual is on no front.
    """
    table = [
        (one.fitness, one.diagnostics.get("max_drawdown"), _negative(one.diagnostics.get("turnover")))
        for one in individuals
    ]
    return np.array(table, dtype=np.float64).reshape(len(table), 3)


def is_on_front(table: FloatArray) -> BoolArray:
    """Return which rows no other row dominates.

    Parameters
    ----------
    table : ndarray of shape (n, n_objectives)
        Larger is better; a row with NaN is on no front.

    Returns
    -------
    ndarray of shape (n,), bool
        Equal rows do not dominate each other: all of them are on the front, or none.
    """
    found = np.zeros(table.shape[0], dtype=np.bool_)
    able = np.flatnonzero(np.isfinite(table).all(axis=1))
    # Best first objective first: only a row before another one, or equal to it in this, can dominate it.
    order = able[np.lexsort(tuple(-table[able].T[::-1]))]
    front = np.empty((0, table.shape[1]))
    for row in order.tolist():
        candidate = table[row]
        is_beaten = ((front >= candidate).all(axis=1) & (front > candidate).any(axis=1)).any()
        if not is_beaten:
            found[row] = True
            front = np.vstack((front, candidate))
    return found


def front_of(individuals: Sequence[Individual]) -> list[Individual]:
    """Return the individuals on the front, the fittest first; of equal scores the earliest alone."""
    chosen = np.flatnonzero(is_on_front(objectives(individuals))).tolist()
    front = {objectives([individuals[index]]).tobytes(): individuals[index] for index in reversed(chosen)}
    return sorted(front.values(), key=lambda one: (-(one.fitness or 0.0), one.generation, one.index))


def choose_winner(front: Sequence[Individual]) -> Individual | None:
    """Return the entrant that WINNER_RULE names; the fittest if that is not above 0; None for no front."""
    if not front:
        return None
    table = objectives(front)
    best = table[:, 0].max()
    near = np.flatnonzero(table[:, 0] >= (LEAST_SHARE * best if best > 0 else best))
    rest = table[near, 1:]
    span = np.ptp(rest, axis=0)
    distance = (((rest.max(axis=0) - rest) / np.where(span > 0, span, 1.0)) ** 2).sum(axis=1)
    return front[int(near[np.argmin(distance)])]


def make_breeder(breed: Breed) -> Breeder:
    """Return the breeding of `evolve` with NSGA-II: survival and mating by the front, within each family.

    Each family keeps the places that it was founded with. Half of them survive (as "kept"), the others are
    children of two survivors, with a share of immigrants.
    """

    def next_generation(
        families: Sequence[BreedingFamily],
        population: Sequence[Individual],
        generation: int,
        options: EvolutionOptions,
    ) -> tuple[Individual, ...]:
        spaces = gene_spaces(families)
        brood = Brood(generation, dict.fromkeys(spaces, options.mutation_scale))
        rng = make_rng(options.seed, generation)
        for space in spaces.values():
            members = [one for one in population if one.family == space.family]
            _breed_family(brood, space, members, options, breed, rng)
        return tuple(brood.individuals)

    return next_generation


def _breed_family(
    brood: Brood,
    space: GeneSpace,
    members: Sequence[Individual],
    options: EvolutionOptions,
    breed: Breed,
    rng: np.random.Generator,
) -> None:
    n_places, seed = len(members), int(rng.integers(2**31))
    distinct = list({one.genome: one for one in reversed(members)}.values())[::-1]
    table = objectives(distinct)
    able = [one for one, row in zip(distinct, table.tolist(), strict=True) if np.isfinite(row).all()]
    if not space.is_free.any() or n_places < 2 * SMALLEST_MATING or len(able) < SMALLEST_MATING:
        kept = (able or distinct)[: n_places if not space.is_free.any() else max(1, n_places // 2)]
        _keep(brood, space, kept)
        brood.add(space.family, rows(space.sample(n_places - len(kept), rng)), Operator.IMMIGRANT)
        return
    n_immigrants = round(options.immigrant_share * n_places)
    n_survivors = min(max(SMALLEST_MATING, n_places // 2), len(able))
    units = space.to_unit(np.array([one.parameters for one in able]))
    free = units[:, space.is_free]
    n_children = n_places - n_survivors - n_immigrants
    offspring = breed(free, objectives(able), n_survivors, n_children, seed)
    _keep(brood, space, [able[row] for row in offspring.survivors])
    _add_children(brood, space, able, units, offspring)
    brood.add(space.family, rows(space.sample(n_immigrants, rng)), Operator.IMMIGRANT)


def _keep(brood: Brood, space: GeneSpace, kept: Sequence[Individual]) -> None:
    parents = [(one,) for one in kept]
    brood.add(space.family, [one.parameters for one in kept], Operator.ELITE, parents=parents)


def _add_children(
    brood: Brood, space: GeneSpace, able: Sequence[Individual], units: FloatArray, offspring: Offspring
) -> None:
    """Add children with the changes that mutation made; the fitter parent stands first."""
    couples = [
        tuple(sorted((able[one], able[two]), key=lambda parent: -(parent.fitness or 0.0)))
        for one, two in offspring.couples
    ]
    places = [one for one, _ in offspring.couples]
    crossed, children = units[places], units[places]
    crossed[:, space.is_free], children[:, space.is_free] = offspring.crossed, offspring.children
    before, after = space.from_unit(crossed), space.from_unit(children)
    brood.add(
        space.family,
        rows(after),
        Operator.CROSSOVER,
        parents=couples,
        mutations=[
            {name: delta for name, delta in zip(space.names, row, strict=True) if delta}
            for row in (after - before).tolist()
        ],
    )


def _negative(value: float | None) -> float | None:
    return None if value is None else -value
