"""What one generation looked like: fitness, diversity, family sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from strategies.genetic.genes import GeneSpace
from strategies.genetic.population import Individual, Operator, fitness_array
from trainingday.typing import JSONDict

# Mean absolute deviation from the median of a uniform variable on 0..1.
UNIFORM_DEVIATION = 0.25
FEWEST_INDIVIDUALS = 10


@dataclass(frozen=True)
class GenerationStats:
    """Figures of one scored generation.

    Attributes
    ----------
    generation, n_individuals : int
    n_undefined : int
        Individuals without a defined fitness.
    best, median : float or None
        Of the defined fitness values.
    best_uid : str or None
    diversity : float or None
        See `diversity`.
    family_sizes : mapping of str to int
    family_best : mapping of str to float or None
    mutation_scales : mapping of str to float
        In force when this generation was made.
    """

    generation: int
    n_individuals: int
    n_undefined: int
    best: float | None
    median: float | None
    best_uid: str | None
    diversity: float | None
    family_sizes: Mapping[str, int]
    family_best: Mapping[str, float | None]
    mutation_scales: Mapping[str, float]

    def as_dict(self) -> JSONDict:
        return asdict(self)


def describe(population: Sequence[Individual], spaces: Mapping[str, GeneSpace]) -> GenerationStats:
    """Return the figures of one scored generation."""
    fitness = fitness_array(population)
    defined = fitness[np.isfinite(fitness)]
    best = int(np.argmax(fitness))
    family_best: dict[str, float | None] = {}
    for name in spaces:
        values = [one.fitness for one in population if one.family == name and one.fitness is not None]
        family_best[name] = max(values, default=None)
    return GenerationStats(
        generation=population[0].generation,
        n_individuals=len(population),
        n_undefined=len(population) - defined.size,
        best=float(fitness[best]) if defined.size else None,
        median=float(np.median(defined)) if defined.size else None,
        best_uid=population[best].uid if defined.size else None,
        diversity=diversity(population, spaces),
        family_sizes={name: sum(one.family == name for one in population) for name in spaces},
        family_best=family_best,
        mutation_scales={one.family: one.mutation_scale for one in population},
    )


def diversity(population: Sequence[Individual], spaces: Mapping[str, GeneSpace]) -> float | None:
    """Return how spread the genes are: 0 where all are equal, about 1 in a random population.

    The mean over families (weighted by size) and free genes of the mean absolute deviation from the
    family's median, in each gene's scale, as a fraction of a uniform population's. Immigrants do not
    count: they would hide that everyone else has become the same. None below 10 individuals in families
    of two or more that can vary: an elite and its mutants alone say nothing.
    """
    total, weight = 0.0, 0
    for name, space in spaces.items():
        genomes = [
            one.parameters
            for one in population
            if one.family == name and one.operator is not Operator.IMMIGRANT
        ]
        if len(genomes) < 2 or not space.is_free.any():
            continue
        unit = space.to_unit(np.array(genomes))[:, space.is_free]
        spread = np.abs(unit - np.median(unit, axis=0)).mean()
        total += len(genomes) * float(spread) / UNIFORM_DEVIATION
        weight += len(genomes)
    return total / weight if weight >= FEWEST_INDIVIDUALS else None
