"""Evolution: breed, score, repeat; every individual is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from strategies.genetic.breed import next_generation
from strategies.genetic.founders import PastChampion, first_generation
from strategies.genetic.genes import BreedingFamily, gene_spaces
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.population import Individual, Operator, ancestors, fitness_array
from strategies.genetic.selection import distinct_best
from strategies.genetic.stats import GenerationStats, describe
from trainingday.exceptions import InvalidArgument, StateConflict
from trainingday.typing import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a score function measured of n parameter sets of one family.

    Attributes
    ----------
    fitness : ndarray of shape (n,)
        Higher is better; NaN or -inf where undefined.
    diagnostics : mapping of str to ndarray of shape (n,)
        Further numbers to keep on the individuals; not finite where undefined.
    """

    fitness: FloatArray
    diagnostics: Mapping[str, FloatArray] = field(default_factory=dict)


def finite(value: float) -> float | None:
    """Return a number as a float, None where it is not finite."""
    return float(value) if np.isfinite(value) else None


FamilyT = TypeVar("FamilyT", bound=BreedingFamily)
Score = Callable[[FamilyT, FloatArray], Evaluation]
ScoreAll = Callable[[Sequence[tuple[FamilyT, FloatArray]]], Sequence[Evaluation]]
OnGeneration = Callable[[GenerationStats, tuple[Individual, ...]], None]
Breeder = Callable[
    [Sequence[BreedingFamily], Sequence[Individual], int, EvolutionOptions], tuple[Individual, ...]
]


@dataclass(frozen=True, eq=False)
class Evolution:
    """The outcome of an evolution.

    Attributes
    ----------
    individuals : tuple of Individual
        Every one ever made, by generation and index.
    generations : tuple of GenerationStats
    winner : Individual or None
        The fittest of all, the earliest in a tie; None if no fitness was defined.
    stopped_early : str or None
        Why fewer generations were made than the options allow.
    n_evaluations : int
        Different genomes scored per generation, summed: the size of the search.
    """

    individuals: tuple[Individual, ...]
    generations: tuple[GenerationStats, ...]
    winner: Individual | None
    stopped_early: str | None
    n_evaluations: int

    def leaders(self, n: int) -> tuple[Individual, ...]:
        """Return the n fittest individuals with different genomes and defined fitness, best first."""
        order = np.argsort(-fitness_array(self.individuals), kind="stable").tolist()
        best = (self.individuals[index] for index in distinct_best(self.individuals, order, n))
        return tuple(one for one in best if one.fitness is not None)

    def ancestry(self, uid: str) -> tuple[Individual, ...]:
        """Return an individual and everyone it descends from."""
        return ancestors(self.individuals, uid)


def evolve(
    families: Sequence[FamilyT],
    score: Score[FamilyT],
    options: EvolutionOptions,
    *,
    champions: Sequence[PastChampion] = (),
    committed: Sequence[Individual] = (),
    on_generation: OnGeneration | None = None,
    breed: Breeder = next_generation,
    score_all: ScoreAll[FamilyT] | None = None,
) -> Evolution:
    """Return what a population became over the generations.

    Parameters
    ----------
    families : sequence of BreedingFamily
        Their order does not matter.
    score : callable
        Given a family and different parameter vectors, shape (n, n_genes), returns their Evaluation.
        It must be a pure function of them and never see the test segment.
    options : EvolutionOptions
    champions : sequence of PastChampion
        Found generation 0 beside the families' defaults.
    committed : sequence of Individual
        Rows of an interrupted run with the same arguments: they are not scored again, and the result
        equals that of an undisturbed run.
    on_generation : callable, optional
        Called after each generation that had something to score, with its figures and its scored
        individuals; may raise to stop the run.
    breed : callable
        Makes a generation from the scored one before it; pure.
    score_all : callable, optional
        Returns for all families of a generation at once what `score` returns for each, where more than one
        process works on it.

    Returns
    -------
    Evolution

    Raises
    ------
    InvalidArgument
        If the options do not fit the families, or score returns other shapes.
    StateConflict
        If a committed row is not what these arguments breed.
    """
    spaces = gene_spaces(families)
    by_name = {family.name: family for family in families}
    known = {one.uid: one for one in committed if one.is_scored}
    individuals: list[Individual] = []
    generations: list[GenerationStats] = []
    n_evaluations = 0
    stopped_early = None
    population = first_generation(families, options, champions)
    while True:
        n_evaluations += _count_new(population)
        recalled = tuple(_recall(one, known) for one in population)
        population = _score_population(recalled, by_name, score_all or partial(_in_turn, score))
        stats = describe(population, spaces)
        individuals.extend(population)
        generations.append(stats)
        if on_generation is not None and not all(one.is_scored for one in recalled):
            on_generation(stats, population)
        if len(generations) == options.n_generations:
            break
        if stats.diversity is not None and stats.diversity < options.min_diversity:
            stopped_early = f"diversity {stats.diversity:.3g} fell below {options.min_diversity:g}"
            break
        population = breed(families, population, stats.generation + 1, options)
        if all(one.operator is Operator.ELITE for one in population):
            stopped_early = "no family has a free parameter"
            break
    return Evolution(
        tuple(individuals), tuple(generations), _winner(individuals), stopped_early, n_evaluations
    )


def _count_new(population: Sequence[Individual]) -> int:
    return len({one.genome for one in population if not one.is_scored})


def _recall(individual: Individual, known: Mapping[str, Individual]) -> Individual:
    """Return the committed row of an individual, or itself where there is none."""
    row = known.get(individual.uid)
    if row is None or individual.is_scored:
        return individual
    if (row.genome, row.operator, row.parents) != (
        individual.genome,
        individual.operator,
        individual.parents,
    ):
        raise StateConflict(
            f"committed {row.uid} should be {individual.operator.value} {individual.genome}, "
            f"is {row.operator.value} {row.genome}"
        )
    return individual.with_score(row.fitness, dict(row.diagnostics))


def _in_turn(score: Score[FamilyT], batches: Sequence[tuple[FamilyT, FloatArray]]) -> tuple[Evaluation, ...]:
    return tuple(score(family, genomes) for family, genomes in batches)


def _score_population(
    population: tuple[Individual, ...], families: Mapping[str, FamilyT], score_all: ScoreAll[FamilyT]
) -> tuple[Individual, ...]:
    """Return the population with every individual scored; equal genomes are scored once."""
    waiting = {
        name: [one for one in population if one.family == name and not one.is_scored] for name in families
    }
    waiting = {name: members for name, members in waiting.items() if members}
    rows = {name: _unique_rows(_genomes(members)) for name, members in waiting.items()}
    evaluations = score_all([(families[name], unique) for name, (unique, _) in rows.items()])
    scored = list(population)
    for (name, (unique, inverse)), evaluation in zip(rows.items(), evaluations, strict=True):
        columns = _checked_columns(evaluation, name, unique.shape[0])
        fitness = columns.pop("")
        table = list(zip(*columns.values(), strict=True)) or [()] * len(fitness)
        for individual, row in zip(waiting[name], inverse.tolist(), strict=True):
            diagnostics = dict(zip(columns, table[row], strict=True))
            scored[individual.index] = individual.with_score(fitness[row], diagnostics)
    return tuple(scored)


def _genomes(members: Sequence[Individual]) -> FloatArray:
    return np.array([one.parameters for one in members]).reshape(len(members), -1)


def _unique_rows(genomes: FloatArray) -> tuple[FloatArray, IntArray]:
    if genomes.shape[1] == 0:
        return genomes[:1], np.zeros(genomes.shape[0], dtype=np.int64)
    unique, inverse = np.unique(genomes, axis=0, return_inverse=True)
    return unique, inverse.reshape(-1).astype(np.int64)


def _checked_columns(evaluation: Evaluation, family: str, n: int) -> dict[str, list[float | None]]:
    """Return fitness (under "") and diagnostics as lists with None where not finite."""
    columns: dict[str, list[float | None]] = {}
    for label, column in (("", evaluation.fitness), *evaluation.diagnostics.items()):
        values = np.asarray(column, dtype=np.float64)
        if values.shape != (n,):
            raise InvalidArgument(
                f"score of {family} should return {label or 'fitness'} of shape ({n},), returns {values.shape}"
            )
        cells = values.astype(object)
        cells[~np.isfinite(values)] = None
        columns[label] = cells.tolist()
    return columns


def _winner(individuals: Sequence[Individual]) -> Individual | None:
    fitness = fitness_array(individuals)
    best = int(np.argmax(fitness))
    return individuals[best] if np.isfinite(fitness[best]) else None
