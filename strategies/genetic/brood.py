"""The generation in the making."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from strategies.genetic.genes import GeneSpace
from strategies.genetic.mutation import mutate
from strategies.genetic.population import Individual, Operator
from trainingday.typing import FloatArray


@dataclass(eq=False)
class Brood:
    """The generation in the making; an individual's index is its place in the list."""

    generation: int
    scales: Mapping[str, float]
    individuals: list[Individual] = field(default_factory=list)

    def add(
        self,
        family: str,
        genomes: Sequence[tuple[float, ...]],
        operator: Operator,
        *,
        parents: Sequence[tuple[Individual, ...]] | None = None,
        mutations: Sequence[Mapping[str, float]] | None = None,
        origin: str | None = None,
    ) -> None:
        """Append individuals; the first of the parents is the fitter one."""
        for row, genome in enumerate(genomes):
            ancestors = parents[row] if parents else ()
            is_copy = operator is Operator.ELITE
            self.individuals.append(
                Individual(
                    generation=self.generation,
                    index=len(self.individuals),
                    family=family,
                    parameters=genome,
                    operator=operator,
                    parents=tuple(one.uid for one in ancestors),
                    mutation=mutations[row] if mutations else {},
                    mutation_scale=self.scales[family],
                    parent_fitness=ancestors[0].fitness if ancestors else None,
                    origin=origin,
                    is_scored=is_copy,
                    fitness=ancestors[0].fitness if is_copy else None,
                    diagnostics=ancestors[0].diagnostics if is_copy else {},
                )
            )

    def add_crossed(
        self,
        space: GeneSpace,
        children: FloatArray,
        first: FloatArray,
        second: FloatArray,
        parents: Sequence[tuple[Individual, ...]],
        rng: np.random.Generator,
    ) -> None:
        """Add children by crossover; one that came out as a copy of a parent is mutated as well."""
        is_copy = (children == first).all(axis=1) | (children == second).all(axis=1)
        mutants = children.copy()
        mutants[is_copy] = mutate(space, children[is_copy], self.scales[space.family], rng)
        deltas = _deltas(space, children, mutants)
        self.add(space.family, rows(mutants), Operator.CROSSOVER, parents=parents, mutations=deltas)

    def add_mutants(
        self,
        space: GeneSpace,
        genomes: FloatArray,
        parents: Sequence[tuple[Individual, ...]],
        operator: Operator,
        rng: np.random.Generator,
    ) -> None:
        """Add a mutant of each genome, with the changes that mutation made."""
        mutants = mutate(space, genomes, self.scales[space.family], rng)
        deltas = _deltas(space, genomes, mutants)
        self.add(space.family, rows(mutants), operator, parents=parents, mutations=deltas)


def make_rng(seed: int, generation: int) -> np.random.Generator:
    """Return the generator of one generation: its own stream, whatever was drawn before."""
    return np.random.default_rng(np.random.SeedSequence((seed, generation)))


def rows(genomes: FloatArray) -> list[tuple[float, ...]]:
    return [tuple(row) for row in np.atleast_2d(genomes).tolist()]


def _deltas(space: GeneSpace, before: FloatArray, after: FloatArray) -> list[dict[str, float]]:
    """Return the changed genes of each row by name."""
    return [
        {name: delta for name, delta in zip(space.names, row, strict=True) if delta}
        for row in (after - before).tolist()
    ]
