"""Ranks, tournaments and the sharing of places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.genetic.selection import rank, select_by_tournament, select_pairs, share_places


def test_ties_go_to_the_lower_index_and_the_undefined_come_last() -> None:
    fitness = np.array([1.0, -np.inf, 3.0, np.nan, 3.0, -2.0])
    np.testing.assert_array_equal(rank(fitness), [2, 4, 0, 5, 1, 3])


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_best_wins_as_often_as_theory_says(size: int) -> None:
    places, n = rank(np.arange(10.0)), 50_000
    chosen = select_by_tournament(places, n, size, np.random.default_rng(5))
    # The best wins every tournament it enters: 1 - (1 - 1/10)^size.
    expected = 1 - 0.9**size
    assert np.mean(chosen == 9) == pytest.approx(expected, abs=4 * np.sqrt(expected / n))


def test_pairs_are_two_different_parents_the_fitter_first() -> None:
    for n_individuals in (2, 3, 30):
        places = rank(np.random.default_rng(1).standard_normal(n_individuals))
        one, two = select_pairs(places, 500, 3, np.random.default_rng(2))
        assert np.all(places[one] < places[two])


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([1.0, 3.0, 50.0, np.inf])), min_size=1, max_size=12),
    st.integers(1, 300),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_every_place_is_given_within_capacity(
    families: list[tuple[float, float]], n_places: int, one: float, two: float
) -> None:
    merit, capacity = (np.array(column) for column in zip(*families, strict=True))
    low, high = min(one, two), max(one, two)
    quotas = share_places(n_places, merit, capacity, np.zeros(merit.size, dtype=np.int64), low, high)
    assert quotas.sum() == min(n_places, capacity.sum())
    assert np.all(quotas >= 0)
    assert np.all(quotas <= capacity)
    if n_places >= merit.size:
        assert np.all(quotas >= 1)


def test_niche_limits_hold_for_a_family_far_better_and_one_far_worse() -> None:
    merit, capacity = np.array([1.0, 0.0, 0.01, 0.02]), np.full(4, np.inf)
    quotas = share_places(100, merit, capacity, np.zeros(4, dtype=np.int64), 0.05, 0.6)
    assert quotas[0] == 60
    assert np.all(quotas[1:] >= 5)


def test_places_follow_the_square_of_merit() -> None:
    merit, capacity = np.array([1.0, 0.5]), np.full(2, np.inf)
    quotas = share_places(1000, merit, capacity, np.zeros(2, dtype=np.int64), 0.0, 1.0)
    assert quotas[0] / quotas[1] == pytest.approx(4, rel=0.02)


def test_places_taken_already_are_kept() -> None:
    merit, capacity = np.array([1.0, 0.0, 0.0]), np.full(3, np.inf)
    quotas = share_places(3, merit, capacity, np.array([0, 3, 0]), 0.05, 0.6)
    np.testing.assert_array_equal(quotas, [0, 3, 0])
