"""The front, the winner's rule, and breeding by NSGA-II: complete, repeatable, resumable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strategies.genetic.evolve import Evaluation, evolve
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.pareto import choose_winner, front_of, is_on_front, make_breeder, objectives
from strategies.genetic.population import Individual, Operator
from tests.strategies.genetic.toys import MODEL, SEED_FAMILIES, ToyFamily, ToyGene, distance
from trainingday.nsga2 import breed

OPTIONS = EvolutionOptions(population_size=32, n_generations=5, min_diversity=0.0, seed=3)
NSGA2 = make_breeder(breed)


def trade_off(family, genomes):
    """Fitness against drawdown along the first gene; turnover falls with the second."""
    if family.name == MODEL.name:
        return Evaluation(np.full(1, -0.5), {"max_drawdown": np.full(1, -0.5), "turnover": np.ones(1)})
    away = distance(family, genomes)
    fitness = -(away**2).sum(axis=1)
    return Evaluation(fitness, {"max_drawdown": -np.abs(away[:, 0] + 0.3), "turnover": 1 + away[:, 1]})


def one(fitness, drawdown=-0.1, turnover=10.0, index=0):
    return Individual(
        0, index, "momentum", (float(index),), Operator.RANDOM,
        is_scored=True, fitness=fitness, diagnostics={"max_drawdown": drawdown, "turnover": turnover},
    )  # fmt: skip


@given(arrays(np.float64, st.tuples(st.integers(0, 30), st.just(3)), elements=st.integers(-3, 3).map(float)))
def test_the_front_is_whatever_no_row_dominates(table):
    for row, is_chosen in zip(table, is_on_front(table), strict=True):
        is_dominated = any((other >= row).all() and (other > row).any() for other in table)
        assert is_chosen == (not is_dominated)


def test_undefined_scores_are_on_no_front():
    assert is_on_front(np.array([[np.nan, 9.0, 9.0], [0.0, 0.0, 0.0]])).tolist() == [False, True]
    table = objectives([one(None), one(1.0, None)])
    assert np.isnan(table).tolist() == [[True, False, False], [False, True, False]]


def test_of_equal_scores_the_first_stands_on_the_front():
    front = front_of([one(1.0, index=0), one(2.0, index=1), one(2.0, index=2), one(3.0, -0.3, index=3)])
    assert [member.index for member in front] == [3, 1]


@pytest.mark.parametrize(
    ("members", "chosen"),
    [
        # 2.0 is within 80 % of 2.4; it has the shallower drawdown and the lower turnover.
        ([(2.4, -0.3, 30.0), (2.0, -0.1, 20.0), (0.5, -0.01, 1.0)], 1),
        # Scaled distances: 1² + 0², 0.5² + 0.5², 0² + 1².
        ([(2.4, -0.3, 10.0), (2.2, -0.2, 20.0), (2.0, -0.1, 30.0)], 1),
        ([(-1.0, -0.3, 30.0), (-2.0, -0.1, 20.0)], 0),
        ([(2.0, -0.1, 5.0)], 0),
    ],
)
def test_the_winner_is_the_one_that_the_rule_names(members, chosen):
    rows = [one(*values, index=index) for index, values in enumerate(members)]
    winner = choose_winner(rows)
    assert winner is rows[chosen]


def test_an_empty_front_has_no_winner():
    assert choose_winner([]) is None


def test_every_generation_keeps_the_families_places_and_names_its_parents():
    evolution = evolve(SEED_FAMILIES, trade_off, OPTIONS, breed=NSGA2)
    sizes = [stats.family_sizes for stats in evolution.generations]
    assert all(size == sizes[0] for size in sizes)
    by_uid = {individual.uid: individual for individual in evolution.individuals}
    n_parents = {Operator.ELITE: 1, Operator.CROSSOVER: 2, Operator.IMMIGRANT: 0}
    for individual in evolution.individuals:
        if individual.generation:
            assert len(individual.parents) == n_parents[individual.operator]
            assert all(
                by_uid[uid].generation == individual.generation - 1
                and by_uid[uid].family == individual.family
                for uid in individual.parents
            )


def test_the_front_moves_out_over_the_generations():
    evolution = evolve(SEED_FAMILIES, trade_off, OPTIONS, breed=NSGA2)
    first = [individual for individual in evolution.individuals if individual.generation == 0]
    old, new = objectives(front_of(first)), objectives(front_of(evolution.individuals))
    assert all(any((row >= earlier).all() for row in new) for earlier in old)
    assert len(new) > len(old)


def test_the_same_seed_gives_the_same_evolution_whatever_was_committed():
    whole = evolve(SEED_FAMILIES, trade_off, OPTIONS, breed=NSGA2)
    for n_generations in (1, 3, 5):
        rows = [
            Individual.from_dict(individual.as_dict())
            for individual in whole.individuals
            if individual.generation < n_generations
        ]
        scored = []

        def score(family, genomes, scored=scored):
            scored.append(family.name)
            return trade_off(family, genomes)

        resumed = evolve(SEED_FAMILIES, score, OPTIONS, committed=rows, breed=NSGA2)
        assert resumed.individuals == whole.individuals
        assert bool(scored) == (n_generations < 5)


def test_a_family_without_a_defined_score_goes_on_with_immigrants():
    family = ToyFamily("momentum", (ToyGene("lookback", 2, 200, 20, True, True),))

    def nothing(family, genomes):
        blank = np.full(genomes.shape[0], np.nan)
        return Evaluation(blank, {"max_drawdown": blank, "turnover": blank})

    evolution = evolve([family], nothing, OPTIONS, breed=NSGA2)
    assert evolution.winner is None and front_of(evolution.individuals) == []
    assert [stats.n_individuals for stats in evolution.generations] == [32] * 5
