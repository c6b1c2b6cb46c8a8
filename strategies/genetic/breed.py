"""The making of the next generation from a scored one.

Pure: with the same arguments it returns the same individuals, so that a killed run is rebuilt from
its committed rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strategies.genetic.brood import Brood, make_rng, rows
from strategies.genetic.crossover import blend, blend_across
from strategies.genetic.genes import BreedingFamily, GeneSpace, gene_spaces
from strategies.genetic.mutation import adapt_scale
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.population import Individual, Operator, fitness_array
from strategies.genetic.selection import distinct_best, family_merit, rank, select_pairs, share_places
from strategies.genetic.selection import select_by_tournament as select
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray, IntArray

N_RESERVED = 2  # the child of winner and runner-up, and a mutant of the winner


def next_generation(
    families: Sequence[BreedingFamily],
    population: Sequence[Individual],
    generation: int,
    options: EvolutionOptions,
) -> tuple[Individual, ...]:
    """Return the generation that descends from a scored population.

    Parameters
    ----------
    families : sequence of BreedingFamily
    population : sequence of Individual
        Generation `generation - 1`, complete, scored, in index order.
    generation : int
        Number of the generation to make, >= 1.
    options : EvolutionOptions

    Returns
    -------
    tuple of Individual
        Always a child of winner and runner-up and a mutant of the winner (which take the places of
        the worst); then by family, in the order of names: elites (scored already), immigrants,
        children by crossover, mutants. If winner and runner-up are of two families, the child has the
        winner's family (the runner-up's, where the winner's has no free gene), blends the genes whose
        names both know, and is mutated besides.

    Raises
    ------
    InvalidArgument
        If the population is not scored, not of the generation before, or of unknown families.
    """
    spaces = gene_spaces(families)
    _check_population(population, generation, spaces)
    parents = _Parents.of(population, spaces, options)
    rng = make_rng(options.seed, generation)
    brood = Brood(generation, parents.scales)
    _breed_leaders(brood, parents, rng)
    quotas, n_immigrants = _plan(parents, options)
    for space, quota, n_new in zip(spaces.values(), quotas.tolist(), n_immigrants.tolist(), strict=True):
        _breed_family(brood, parents, space, quota, n_new, options, rng)
    return tuple(brood.individuals)


@dataclass(frozen=True, eq=False)
class _Parents:
    """A scored population as breeding reads it."""

    population: Sequence[Individual]
    spaces: Mapping[str, GeneSpace]
    places: IntArray
    order: list[int]
    members: Mapping[str, IntArray]
    elites: Mapping[str, list[int]]
    n_best: Mapping[str, int]
    scales: Mapping[str, float]

    @classmethod
    def of(
        cls, population: Sequence[Individual], spaces: Mapping[str, GeneSpace], options: EvolutionOptions
    ) -> _Parents:
        places = rank(fitness_array(population))
        order: list[int] = np.argsort(places).tolist()
        n_elite = min(options.n_elite, options.population_size - N_RESERVED)
        best = distinct_best(population, order, n_elite)
        families = np.array([one.family for one in population])
        members = {name: np.flatnonzero(families == name) for name in spaces}
        n_best = {name: sum(population[index].family == name for index in best) for name in spaces}
        elites: dict[str, list[int]] = {}
        for name in spaces:
            own = [index for index in order if population[index].family == name]
            elites[name] = distinct_best(population, own, max(1, n_best[name]))
        scales = {
            name: _next_scale([population[i] for i in members[name].tolist()], options) for name in spaces
        }
        return cls(population, spaces, places, order, members, elites, n_best, scales)

    def genomes(self, indices: IntArray) -> FloatArray:
        """Return the parameter vectors of individuals of one family, shape (n, n_genes)."""
        return np.array([self.population[index].parameters for index in indices.tolist()])


def _plan(parents: _Parents, options: EvolutionOptions) -> tuple[IntArray, IntArray]:
    """Return the places and the immigrants of each family, both shape (n_families,)."""
    n_places = options.population_size - N_RESERVED
    merit = np.array([family_merit(parents.places, members) for members in parents.members.values()])
    least = np.array(list(parents.n_best.values()))
    capacity = np.array([space.capacity for space in parents.spaces.values()])
    quotas = share_places(
        n_places, merit, capacity, least, options.min_family_share, options.max_family_share
    )
    # Rounding the running total spreads a small share over the families without losing any of it.
    running = np.round(np.cumsum(options.immigrant_share * quotas))
    return quotas, np.diff(running, prepend=0).astype(np.int64)


def _breed_leaders(brood: Brood, parents: _Parents, rng: np.random.Generator) -> None:
    """Add the child of winner and runner-up, and a mutant of the best that can vary."""
    leaders = [parents.population[index] for index in distinct_best(parents.population, parents.order, 2)]
    free = [one for one in leaders if parents.spaces[one.family].is_free.any()]
    if len(leaders) == 2 and free:
        _breed_pair(brood, parents, free[0], leaders[1] if free[0] is leaders[0] else leaders[0], rng)
    able = (parents.population[index] for index in parents.order)
    lead = next((one for one in able if parents.spaces[one.family].is_free.any()), None)
    if lead is not None:
        genome = np.array([lead.parameters])
        brood.add_mutants(parents.spaces[lead.family], genome, [(lead,)], Operator.MUTATION, rng)


def _breed_pair(
    brood: Brood, parents: _Parents, first: Individual, second: Individual, rng: np.random.Generator
) -> None:
    """Add a child of two individuals with the family of the first."""
    space, other = parents.spaces[first.family], parents.spaces[second.family]
    one, two = np.array([first.parameters]), np.array([second.parameters])
    couple = tuple(sorted((first, second), key=lambda parent: parents.places[parent.index]))
    if first.family == second.family:
        brood.add_crossed(space, blend(space, one, two, rng), one, two, [couple], rng)
    else:
        child = blend_across(space, one[0], other, two[0], rng)[None, :]
        brood.add_mutants(space, child, [couple], Operator.CROSSOVER, rng)


def _breed_family(
    brood: Brood,
    parents: _Parents,
    space: GeneSpace,
    quota: int,
    n_immigrants: int,
    options: EvolutionOptions,
    rng: np.random.Generator,
) -> None:
    """Add one family's elites, immigrants, crossed children and mutants."""
    members = parents.members[space.family]
    elites = [parents.population[index] for index in parents.elites[space.family][:quota]]
    pairs = [(one,) for one in elites]
    brood.add(space.family, [one.parameters for one in elites], Operator.ELITE, parents=pairs)
    n_left = quota - len(elites)
    n_immigrants = min(n_immigrants, n_left) if members.size else n_left
    brood.add(space.family, rows(space.sample(n_immigrants, rng)), Operator.IMMIGRANT)
    n_left -= n_immigrants
    if n_left == 0:
        return
    places, genomes = rank(-parents.places[members].astype(np.float64)), parents.genomes(members)
    n_crossed = round(options.crossover_rate * n_left) if members.size > 1 else 0
    one, two = select_pairs(places, n_crossed, options.tournament_size, rng)
    family = [parents.population[index] for index in members.tolist()]
    couples = [(family[i], family[j]) for i, j in zip(one.tolist(), two.tolist(), strict=True)]
    children = blend(space, genomes[one], genomes[two], rng)
    brood.add_crossed(space, children, genomes[one], genomes[two], couples, rng)
    chosen = select(places, n_left - n_crossed, options.tournament_size, rng)
    single = [(family[index],) for index in chosen.tolist()]
    brood.add_mutants(space, genomes[chosen], single, Operator.MUTATION, rng)


def _next_scale(members: Sequence[Individual], options: EvolutionOptions) -> float:
    """Return a family's mutation scale by how its last mutants fared."""
    if not options.is_adaptive or not members:
        return options.mutation_scale
    mutants = [one for one in members if one.operator is Operator.MUTATION]
    n_better = sum(_or_worst(one.fitness) > _or_worst(one.parent_fitness) for one in mutants)
    return adapt_scale(members[0].mutation_scale, n_better, len(mutants), options.mutation_scale)


def _or_worst(fitness: float | None) -> float:
    return -np.inf if fitness is None else fitness


def _check_population(
    population: Sequence[Individual], generation: int, spaces: Mapping[str, GeneSpace]
) -> None:
    if generation < 1:
        raise InvalidArgument(f"generation should be >= 1, is {generation}")
    if not population:
        raise InvalidArgument("population should hold at least 1 individual, holds 0")
    for index, one in enumerate(population):
        if one.generation != generation - 1 or one.index != index:
            raise InvalidArgument(f"population should hold g{generation - 1}-{index} next, holds {one.uid}")
        if one.family not in spaces:
            raise InvalidArgument(f"family should be one of {', '.join(spaces)}, is {one.family}")
