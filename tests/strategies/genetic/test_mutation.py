"""Mutation: the size of its steps, and how the size adapts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.genetic.genes import GeneSpace
from strategies.genetic.mutation import adapt_scale, mutate
from tests.strategies.genetic.test_genes import assert_inside, toy_families
from tests.strategies.genetic.toys import MODEL, ToyFamily, ToyGene

N = 40_000


def steps(gene: ToyGene, value: float, scale: float = 0.1) -> np.ndarray:
    """Return mutants of one gene that always takes part."""
    space = GeneSpace.of(ToyFamily("toy", (gene,)))
    parents = np.full((N, 1), value)
    return mutate(space, parents, scale, np.random.default_rng(7), gene_rate=1.0)[:, 0]


@given(toy_families(), st.floats(0.001, 1.0), st.integers(0, 2**32))
def test_mutants_stay_inside_and_integers_whole(family: ToyFamily, scale: float, seed: int) -> None:
    space, rng = GeneSpace.of(family), np.random.default_rng(seed)
    assert_inside(space, mutate(space, space.sample(25, rng), scale, rng))


@given(toy_families(), st.floats(0.01, 1.0), st.integers(0, 2**32))
def test_every_mutant_differs_wherever_a_gene_can_vary(family: ToyFamily, scale: float, seed: int) -> None:
    space, rng = GeneSpace.of(family), np.random.default_rng(seed)
    parents = space.sample(25, rng)
    # A range of a few rounding errors cannot be told from a point.
    wide = space.high - space.low > 1e-6 * np.maximum(1, np.abs(space.high))
    if (space.is_free & ~wide).any():
        return
    mutants = mutate(space, parents, scale, rng)
    assert np.all((mutants != parents).any(axis=1) == space.is_free.any())


@pytest.mark.parametrize("value", [2.0, 50.0, -8.0])
def test_a_linear_step_has_a_standard_deviation_of_a_tenth_of_the_value(value: float) -> None:
    low, high = (-100, -1) if value < 0 else (1, 100)
    change = steps(ToyGene("x", low, high, value), value) / abs(value) - np.sign(value)
    # Monte Carlo error of a standard deviation over 40,000 draws: 0.35 %; 2 % allows reflection too.
    assert change.std() == pytest.approx(0.1, rel=0.02)
    assert abs(change.mean()) < 0.002
    assert np.mean(np.abs(change) < 0.1) == pytest.approx(0.6827, abs=0.01)


def test_a_log_step_has_a_standard_deviation_of_a_tenth_in_ratio() -> None:
    change = np.log(steps(ToyGene("x", 1e-5, 1e-1, 1e-3, False, True), 1e-3) / 1e-3)
    assert change.std() == pytest.approx(0.1, rel=0.02)
    assert abs(change.mean()) < 0.002


def test_an_integer_step_is_unbiased_with_the_same_spread() -> None:
    change = steps(ToyGene("x", 2, 400, 100, True), 100.0) - 100
    # Rounding at random adds at most a quarter to the variance of 100.
    assert change.std() == pytest.approx(10, rel=0.02)
    assert abs(change.mean()) < 0.2


def test_a_small_integer_still_moves_both_ways() -> None:
    moved = steps(ToyGene("x", 1, 50, 3, True), 3.0)
    assert np.all(moved != 3)
    assert np.mean(moved > 3) == pytest.approx(0.5, abs=0.02)


def test_zero_can_be_left_where_the_range_holds_it() -> None:
    moved = steps(ToyGene("x", -1, 1, 0), 0.0)
    # A tenth of the range (2) stands for the value: sd 0.1 * 0.2.
    assert moved.std() == pytest.approx(0.02, rel=0.02)


def test_steps_beyond_a_bound_are_reflected_not_piled_up() -> None:
    moved = steps(ToyGene("x", 10, 100, 10), 10.0)
    assert moved.min() >= 10
    assert np.mean(moved == 10) < 0.001
    assert np.median(moved) == pytest.approx(10 + 0.6745, rel=0.01)


def test_a_family_without_genes_comes_back() -> None:
    space = GeneSpace.of(MODEL)
    assert mutate(space, np.empty((3, 0)), 0.1, np.random.default_rng(0)).shape == (3, 0)


def test_the_scale_grows_above_a_fifth_of_successes_and_shrinks_below() -> None:
    assert adapt_scale(0.1, 30, 100, 0.1) > 0.1
    assert adapt_scale(0.1, 10, 100, 0.1) < 0.1
    assert adapt_scale(0.1, 20, 100, 0.1) == pytest.approx(0.1)


def test_the_scale_stays_within_its_range_and_waits_for_five_mutants() -> None:
    scale = 0.1
    for _ in range(200):
        scale = adapt_scale(scale, 0, 50, 0.1)
    assert scale == pytest.approx(0.01)
    for _ in range(200):
        scale = adapt_scale(scale, 50, 50, 0.1)
    assert scale == pytest.approx(0.5)
    assert adapt_scale(0.1, 4, 4, 0.1) == 0.1
