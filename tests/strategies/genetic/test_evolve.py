"""Whole evolutions: better than chance, repeatable, resumable, and fully recorded."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from strategies.genetic.evolve import Evaluation, Evolution, Score, evolve
from strategies.genetic.genes import BreedingFamily, gene_spaces
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.population import FOUNDERS, Individual, Operator
from strategies.genetic.stats import GenerationStats
from tests.strategies.genetic.toys import (
    LEVELS,
    MODEL,
    MOMENTUM,
    REVERSION,
    SEED_FAMILIES,
    ToyFamily,
    ToyGene,
    bowl,
    narrow_ridge,
    ripples,
)
from trainingday.exceptions import InvalidArgument, RunCancelled, StateConflict
from trainingday.typing import FloatArray

ToyScore = Score[BreedingFamily]
OPTIONS = EvolutionOptions(population_size=40, n_generations=8, min_diversity=0.0, seed=3)


def best_by_random_search(score: ToyScore, n_evaluations: int, seed: int) -> float:
    """Return the best fitness of a Latin hypercube of the same budget, evenly over the families."""
    rng = np.random.default_rng((seed, 999))
    families = [family for family in SEED_FAMILIES if family.parameters]
    spaces = gene_spaces(families)
    n_each = n_evaluations // len(families)
    return max(
        float(np.nanmax(score(family, spaces[family.name].sample(n_each, rng)).fitness))
        for family in families
    )


@pytest.mark.parametrize("score", [bowl, ripples, narrow_ridge], ids=lambda score: score.__name__)
def test_it_beats_random_search_of_equal_budget(score: ToyScore) -> None:
    # Below about 30 individuals per family the ridge is found too early in the wrong place: 18 of 24.
    n_wins, n_seeds = 0, 16
    for seed in range(n_seeds):
        options = replace(OPTIONS, population_size=100, n_generations=10, seed=seed)
        evolution = evolve(SEED_FAMILIES, score, options)
        assert evolution.winner is not None
        assert evolution.winner.fitness is not None
        chance = best_by_random_search(score, evolution.n_evaluations, seed)
        n_wins += evolution.winner.fitness > chance
    assert binomtest(n_wins, n_seeds, alternative="greater").pvalue < 0.003, f"{n_wins} of {n_seeds}"


def test_median_fitness_rises_over_the_generations() -> None:
    evolution = evolve(SEED_FAMILIES, bowl, replace(OPTIONS, n_generations=6))
    medians = [stats.median for stats in evolution.generations]
    assert medians[0] < medians[2] < medians[5]
    bests = [stats.best for stats in evolution.generations]
    assert bests == sorted(bests)


def test_the_same_seed_breeds_the_same_and_another_does_not() -> None:
    once = evolve(SEED_FAMILIES, bowl, OPTIONS)
    again = evolve(tuple(reversed(SEED_FAMILIES)), bowl, OPTIONS)
    assert once.individuals == again.individuals
    assert once.generations == again.generations
    other = evolve(SEED_FAMILIES, bowl, replace(OPTIONS, seed=4))
    assert other.individuals != once.individuals


def test_every_parent_exists_one_generation_before_and_the_winner_descends_from_founders() -> None:
    evolution = evolve(SEED_FAMILIES, ripples, replace(OPTIONS, n_generations=15))
    by_uid = {one.uid: one for one in evolution.individuals}
    assert len(by_uid) == len(evolution.individuals) == 15 * 40
    n_parents = {Operator.ELITE: 1, Operator.MUTATION: 1, Operator.CROSSOVER: 2}
    for one in evolution.individuals:
        assert len(one.parents) == n_parents.get(one.operator, 0)
        assert all(by_uid[uid].generation == one.generation - 1 for uid in one.parents)
    assert evolution.winner is not None
    line = evolution.ancestry(evolution.winner.uid)
    roots = [one for one in line if not one.parents]
    assert roots
    assert all(one.operator in FOUNDERS for one in roots)
    assert line[-1] == evolution.winner


def test_genes_of_every_child_come_from_its_parents() -> None:
    evolution = evolve(SEED_FAMILIES, bowl, OPTIONS)
    by_uid = {one.uid: one for one in evolution.individuals}
    for one in evolution.individuals:
        parents = [by_uid[uid] for uid in one.parents]
        if one.operator is Operator.ELITE:
            assert one.genome == parents[0].genome
        elif one.operator is not Operator.CROSSOVER and parents:
            assert one.family == parents[0].family
        elif parents:
            assert one.family in {parent.family for parent in parents}
            assert parents[0].fitness is not None
            assert parents[1].fitness is None or parents[0].fitness >= parents[1].fitness


def test_no_family_dies_or_swallows_all_although_one_is_far_better() -> None:
    def biased(family: BreedingFamily, genomes: FloatArray) -> Evaluation:
        return Evaluation(bowl(family, genomes).fitness + 100 * (family.name == "momentum"))

    options = replace(OPTIONS, population_size=100, n_generations=20)
    evolution = evolve(SEED_FAMILIES, biased, options)
    for stats in evolution.generations[1:]:
        assert stats.family_sizes["momentum"] <= 62
        assert stats.family_sizes["ml_model"] == 1
        assert min(stats.family_sizes["breakout"], stats.family_sizes["mean_reversion"]) >= 4
    assert evolution.winner is not None
    assert evolution.winner.family == "momentum"


def test_each_niche_finds_its_own_optimum() -> None:
    evolution = evolve(SEED_FAMILIES, bowl, replace(OPTIONS, population_size=100, n_generations=15))
    for name, level in LEVELS.items():
        assert evolution.generations[-1].family_best[name] == pytest.approx(level, abs=0.005)


def test_it_stops_when_diversity_is_lost_and_says_so() -> None:
    options = replace(OPTIONS, n_generations=200, min_diversity=0.05)
    evolution = evolve(SEED_FAMILIES, bowl, options)
    assert len(evolution.generations) < 200
    assert evolution.stopped_early is not None
    assert evolution.stopped_early.startswith("diversity 0.0")
    *before, last = [stats.diversity for stats in evolution.generations]
    assert last < 0.05
    assert min(before) >= 0.05
    assert before[0] == pytest.approx(1, abs=0.15)


def test_families_without_genes_are_scored_once() -> None:
    fixed = ToyFamily("fixed", (ToyGene("x", 3, 3, 3),))
    evolution = evolve([MODEL, fixed], lambda family, genomes: Evaluation(np.ones(len(genomes))), OPTIONS)
    assert [one.family for one in evolution.individuals] == ["fixed", "ml_model"]
    assert evolution.stopped_early == "no family has a free parameter"
    assert evolution.n_evaluations == 2


def test_equal_genomes_and_elites_are_not_scored_again() -> None:
    seen: list[tuple[str, int]] = []

    def counting(family: BreedingFamily, genomes: FloatArray) -> Evaluation:
        assert np.unique(genomes, axis=0).shape == genomes.shape
        seen.append((family.name, genomes.shape[0]))
        return Evaluation(-genomes.sum(axis=1))

    coarse = ToyFamily("coarse", (ToyGene("x", 1, 6, 3, True), ToyGene("y", 1, 5, 3, True)))
    evolution = evolve([coarse], counting, replace(OPTIONS, population_size=30))
    assert sum(n for _, n in seen) == evolution.n_evaluations < 30 * 8
    assert evolution.winner is not None
    assert evolution.winner.parameters == (1.0, 1.0)


class KilledRun:
    """Commits generations as rows of JSON and dies after some."""

    def __init__(self, die_after: int) -> None:
        self.rows: list[str] = []
        self.left = die_after

    def __call__(self, stats: GenerationStats, population: tuple[Individual, ...]) -> None:
        self.rows.extend(json.dumps(one.as_dict(), allow_nan=False) for one in population)
        self.left -= 1
        if self.left == 0:
            raise RunCancelled("killed")

    def committed(self) -> list[Individual]:
        return [Individual.from_dict(json.loads(row)) for row in self.rows]


def assert_same(one: Evolution, two: Evolution) -> None:
    assert one.individuals == two.individuals
    assert [i.diagnostics for i in one.individuals] == [i.diagnostics for i in two.individuals]
    assert one.generations == two.generations
    assert (one.winner, one.stopped_early, one.n_evaluations) == (
        two.winner,
        two.stopped_early,
        two.n_evaluations,
    )


@pytest.mark.parametrize("die_after", [1, 3, 7])
@pytest.mark.parametrize("score", [bowl, narrow_ridge], ids=lambda score: score.__name__)
def test_a_killed_run_continues_from_its_rows_as_if_never_killed(die_after: int, score: ToyScore) -> None:
    run = KilledRun(die_after)
    with pytest.raises(RunCancelled):
        evolve(SEED_FAMILIES, score, OPTIONS, on_generation=run)
    n_scored = 0

    def counting(family: BreedingFamily, genomes: FloatArray) -> Evaluation:
        nonlocal n_scored
        n_scored += genomes.shape[0]
        return score(family, genomes)

    undisturbed = evolve(SEED_FAMILIES, score, OPTIONS)
    resumed = evolve(SEED_FAMILIES, counting, OPTIONS, committed=run.committed())
    assert_same(resumed, undisturbed)
    assert n_scored < undisturbed.n_evaluations * (8 - die_after + 1) / 8


def test_half_a_generation_of_rows_is_completed() -> None:
    run = KilledRun(4)
    with pytest.raises(RunCancelled):
        evolve(SEED_FAMILIES, bowl, OPTIONS, on_generation=run)
    reported: list[int] = []
    resumed = evolve(
        SEED_FAMILIES,
        bowl,
        OPTIONS,
        committed=run.committed()[:140],
        on_generation=lambda stats, population: reported.append(stats.generation),
    )
    assert_same(resumed, evolve(SEED_FAMILIES, bowl, OPTIONS))
    assert reported == [3, 4, 5, 6, 7]


def test_rows_of_another_run_are_refused() -> None:
    other = evolve(SEED_FAMILIES, bowl, replace(OPTIONS, seed=99)).individuals
    with pytest.raises(StateConflict, match=r"committed g0-\d+ should be random"):
        evolve(SEED_FAMILIES, bowl, OPTIONS, committed=other)


def test_leaders_are_the_best_different_genomes() -> None:
    evolution = evolve(SEED_FAMILIES, bowl, OPTIONS)
    leaders = evolution.leaders(10)
    assert leaders[0] == evolution.winner
    assert len({one.genome for one in leaders}) == 10
    fitness = [one.fitness for one in leaders]
    assert fitness == sorted(fitness, reverse=True)


def test_without_any_defined_fitness_there_is_no_winner() -> None:
    evolution = evolve(
        [MOMENTUM, REVERSION], lambda family, genomes: Evaluation(np.full(len(genomes), np.nan)), OPTIONS
    )
    assert evolution.winner is None
    assert evolution.leaders(3) == ()
    assert evolution.generations[0].best is None
    assert evolution.generations[0].n_undefined == 40


def test_no_infinity_or_nan_reaches_an_individual() -> None:
    evolution = evolve(SEED_FAMILIES, narrow_ridge, OPTIONS)
    assert any(one.fitness is None for one in evolution.individuals)
    json.dumps([one.as_dict() for one in evolution.individuals], allow_nan=False)
    json.dumps([stats.as_dict() for stats in evolution.generations], allow_nan=False)


def test_a_score_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="score of momentum should return fitness of shape"):
        evolve([MOMENTUM], lambda family, genomes: Evaluation(np.zeros(3)), OPTIONS)
    with pytest.raises(InvalidArgument, match="score of momentum should return n_trades of shape"):
        evolve(
            [MOMENTUM],
            lambda family, genomes: Evaluation(np.zeros(len(genomes)), {"n_trades": np.zeros(2)}),
            OPTIONS,
        )


def test_an_ancestor_that_is_missing_is_an_error() -> None:
    evolution = evolve(SEED_FAMILIES, bowl, OPTIONS)
    with pytest.raises(InvalidArgument, match="individuals should hold g9-9, do not"):
        evolution.ancestry("g9-9")


def test_mutation_adapts_to_success() -> None:
    evolution = evolve(SEED_FAMILIES, bowl, replace(OPTIONS, population_size=200, n_generations=40))
    scales = [stats.mutation_scales["momentum"] for stats in evolution.generations]
    assert scales[0] == scales[1] == 0.1
    assert scales[-1] < 0.05  # near the optimum large steps fail
    fixed = evolve(SEED_FAMILIES, bowl, replace(OPTIONS, is_adaptive=False))
    assert {one.mutation_scale for one in fixed.individuals} == {0.1}
