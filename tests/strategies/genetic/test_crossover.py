"""Children of two parents, in each gene's own scale."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from strategies.genetic.crossover import BLEND_ALPHA, blend, blend_across
from strategies.genetic.genes import GeneSpace
from tests.strategies.genetic.test_genes import assert_inside, toy_families
from tests.strategies.genetic.toys import BREAKOUT, MODEL, MOMENTUM, REVERSION, ToyFamily, ToyGene

LINEAR = GeneSpace.of(ToyFamily("toy", (ToyGene("x", 0, 100, 50),)))
LOG = GeneSpace.of(ToyFamily("toy", (ToyGene("x", 1e-6, 1e3, 1, False, True),)))


def children(space: GeneSpace, one: float, two: float, n: int = 20_000) -> np.ndarray:
    rng = np.random.default_rng(3)
    return blend(space, np.full((n, 1), one), np.full((n, 1), two), rng)[:, 0]


@given(toy_families(), st.integers(0, 2**32))
def test_children_stay_inside_and_integers_whole(family: ToyFamily, seed: int) -> None:
    space, rng = GeneSpace.of(family), np.random.default_rng(seed)
    one, two = space.sample(25, rng), space.sample(25, rng)
    assert_inside(space, blend(space, one, two, rng))


@given(toy_families(), st.integers(0, 2**32))
def test_genes_on_which_parents_agree_are_kept_to_the_bit(family: ToyFamily, seed: int) -> None:
    space, rng = GeneSpace.of(family), np.random.default_rng(seed)
    parents = space.sample(10, rng)
    np.testing.assert_array_equal(blend(space, parents, parents, rng), parents)


def test_a_linear_gene_keeps_the_mean_and_the_spread_of_its_parents() -> None:
    born = children(LINEAR, 40, 60)
    # Parents at 40 and 60 have mean 50 and standard deviation 10.
    assert abs(born.mean() - 50) < 0.3
    assert abs(born.std() - 10) < 0.2
    assert born.min() >= 40 - 20 * BLEND_ALPHA
    assert born.max() <= 60 + 20 * BLEND_ALPHA


def test_a_log_gene_is_mixed_by_ratio() -> None:
    born = children(LOG, 0.01, 1.0)
    # The middle of 0.01 and 1 by ratio is 0.1, and twice as much is as likely as half as much.
    assert abs(np.log10(np.median(born)) - -1) < 0.05
    assert abs(np.mean(born > 0.2) - np.mean(born < 0.05)) < 0.02


def test_nothing_piles_up_at_a_bound() -> None:
    born = children(LINEAR, 0, 10)
    assert np.mean(born <= 1e-3) < 0.001
    assert born.min() >= 0


def test_across_families_common_names_blend_and_the_rest_is_inherited() -> None:
    momentum, breakout = GeneSpace.of(MOMENTUM), GeneSpace.of(BREAKOUT)
    one, two = np.array([20.0, 0.05]), np.array([150.0, 4.0])
    rng = np.random.default_rng(0)
    born = np.array([blend_across(momentum, one, breakout, two, rng) for _ in range(200)])
    assert np.all(born[:, 1] == 0.05)  # breakout knows no threshold
    assert np.unique(born[:, 0]).size > 20  # both know lookback
    assert_inside(momentum, born)


def test_across_families_without_common_names_the_first_parent_comes_back() -> None:
    momentum, rng = GeneSpace.of(MOMENTUM), np.random.default_rng(0)
    one = np.array([20.0, 0.05])
    for other, genome in ((REVERSION, [50.0, 2.0]), (MODEL, [])):
        born = blend_across(momentum, one, GeneSpace.of(other), np.array(genome), rng)
        np.testing.assert_array_equal(born, one)
