"""The founders of a tournament: past champions, defaults, and a random rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strategies.genetic.brood import Brood, make_rng, rows
from strategies.genetic.genes import BreedingFamily, GeneSpace, gene_spaces
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.population import Individual, Operator
from strategies.genetic.selection import share_places
from trainingday.exceptions import InvalidArgument


@dataclass(frozen=True)
class PastChampion:
    """A champion of an earlier tournament that founds this one.

    Attributes
    ----------
    family : str
    parameters : mapping of str to float
        By name; names that the family no longer has are dropped, new ones take their default, and
        values are brought into the present bounds.
    origin : str
        What the caller calls it; kept on the individual.
    operator : Operator
        CHAMPION, or PAST for an individual of a past population.
    """

    family: str
    parameters: Mapping[str, float]
    origin: str
    operator: Operator = Operator.CHAMPION


def first_generation(
    families: Sequence[BreedingFamily],
    options: EvolutionOptions,
    champions: Sequence[PastChampion] = (),
) -> tuple[Individual, ...]:
    """Return generation 0: past champions, each family's defaults, and a random rest.

    Raises
    ------
    InvalidArgument
        If the population has no room for a default of each family, or a champion's family is unknown.

    Notes
    -----
    Champions stand in the order given; those that the population has no room for are left out.
    """
    spaces = gene_spaces(families)
    if options.population_size < len(spaces):
        raise InvalidArgument(
            f"population_size should be >= the number of families ({len(spaces)}), "
            f"is {options.population_size}"
        )
    rng = make_rng(options.seed, 0)
    brood = Brood(0, dict.fromkeys(spaces, options.mutation_scale))
    for space in spaces.values():
        brood.add(space.family, rows(space.default), Operator.DEFAULT)
    known = {one.genome for one in brood.individuals}
    for champion in champions:
        genome = _champion_genome(champion, spaces)
        if genome not in known and len(brood.individuals) < options.population_size:
            known.add(genome)
            brood.add(champion.family, [genome[1]], champion.operator, origin=champion.origin)
    founded = np.array([sum(one.family == name for one in brood.individuals) for name in spaces])
    quotas = share_places(
        options.population_size,
        np.ones(len(spaces)),
        np.array([space.capacity for space in spaces.values()]),
        founded,
        options.min_family_share,
        options.max_family_share,
    )
    for space, n_random in zip(spaces.values(), (quotas - founded).tolist(), strict=True):
        brood.add(space.family, rows(space.sample(n_random, rng)), Operator.RANDOM)
    return tuple(brood.individuals)


def _champion_genome(
    champion: PastChampion, spaces: Mapping[str, GeneSpace]
) -> tuple[str, tuple[float, ...]]:
    if champion.family not in spaces:
        raise InvalidArgument(f"champion's family should be one of {', '.join(spaces)}, is {champion.family}")
    space = spaces[champion.family]
    values = np.array(
        [
            champion.parameters.get(name, default)
            for name, default in zip(space.names, space.default, strict=True)
        ]
    )
    if not np.all(np.isfinite(values)):
        raise InvalidArgument(f"champion's parameters should be finite, are {dict(champion.parameters)}")
    return champion.family, rows(space.settle(values))[0]
