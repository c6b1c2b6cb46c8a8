"""Figures of one generation, and what counts as diverse."""

from __future__ import annotations

import numpy as np
import pytest

from strategies.genetic.genes import gene_spaces
from strategies.genetic.population import Individual, Operator
from strategies.genetic.stats import describe, diversity
from tests.strategies.genetic.toys import MODEL, REVERSION, ToyFamily, ToyGene

LINE = ToyFamily("line", (ToyGene("x", 0, 8, 4), ToyGene("fixed", 1, 1, 1)))
SPACES = gene_spaces([LINE, MODEL])


def line_of(values: list[float], operator: Operator = Operator.RANDOM, start: int = 0) -> list[Individual]:
    return [
        Individual(0, start + index, "line", (value, 1.0), operator, is_scored=True, fitness=value)
        for index, value in enumerate(values)
    ]


def test_diversity_is_the_mean_deviation_from_the_median_over_that_of_a_uniform() -> None:
    # Fractions of the range: five at 1/4, five at 3/4; median 1/2; deviations 1/4 over 1/4.
    assert diversity(line_of([2.0] * 5 + [6.0] * 5), SPACES) == pytest.approx(1.0)
    # Two of ten 1/8 away from the median: 2/10 * 1/8 / (1/4).
    assert diversity(line_of([4.0] * 8 + [5.0] * 2), SPACES) == pytest.approx(0.1)


def test_equal_genes_have_no_diversity_and_immigrants_do_not_hide_it() -> None:
    same = line_of([3.0] * 12)
    strangers = line_of([0.0, 8.0, 1.0], Operator.IMMIGRANT, start=12)
    assert diversity(same, SPACES) == 0
    assert diversity(same + strangers, SPACES) == 0


def test_a_random_population_has_a_diversity_of_one() -> None:
    spaces = gene_spaces([REVERSION])
    genomes = spaces["mean_reversion"].sample(2000, np.random.default_rng(0)).tolist()
    population = [
        Individual(0, index, "mean_reversion", tuple(row), Operator.RANDOM)
        for index, row in enumerate(genomes)
    ]
    assert diversity(population, spaces) == pytest.approx(1, abs=0.01)


def test_fewer_than_ten_say_nothing() -> None:
    assert diversity(line_of([1.0] * 9), SPACES) is None
    model = [Individual(0, index, "ml_model", (), Operator.DEFAULT) for index in range(20)]
    assert diversity(model, SPACES) is None


def test_best_and_median_are_of_the_defined_fitness() -> None:
    population = line_of([5.0, 1.0, 3.0])
    population.append(Individual(0, 3, "ml_model", (), Operator.DEFAULT, is_scored=True, fitness=None))
    stats = describe(population, SPACES)
    assert (stats.best, stats.median, stats.best_uid, stats.n_undefined) == (5.0, 3.0, "g0-0", 1)
    assert stats.family_sizes == {"line": 3, "ml_model": 1}
    assert stats.family_best == {"line": 5.0, "ml_model": None}
