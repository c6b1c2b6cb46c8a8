"""Fold Sharpe ratios become one fitness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.genetic.fitness import FitnessOptions, fold_fitness, split_folds
from trainingday.exceptions import InvalidArgument, NotEnoughBars

OPTIONS = FitnessOptions(n_folds=4, spread_penalty=0.5, min_trades=30)


def test_it_is_the_mean_less_half_the_spread() -> None:
    ratios = np.array([[1.0, 2.0, 3.0, 2.0], [2.0, 2.0, 2.0, 2.0]])
    fitness = fold_fitness(ratios, np.array([100.0, 100.0]), OPTIONS)
    # Mean 2; squared deviations 1 + 0 + 1 + 0 over 3.
    np.testing.assert_allclose(fitness, [2 - 0.5 * np.sqrt(2 / 3), 2.0], rtol=1e-12)


def test_an_even_candidate_beats_one_lucky_fold_of_equal_mean() -> None:
    even, lucky = fold_fitness(np.array([[1.0, 1, 1, 1], [4.0, 0, 0, 0]]), np.full(2, 99.0), OPTIONS)
    assert even > lucky


def test_an_undefined_fold_or_too_few_trades_are_no_evidence() -> None:
    ratios = np.array([[1.0, np.nan, 1, 1], [1.0, 1, 1, 1], [1.0, 1, 1, 1], [np.inf, 1, 1, 1]])
    fitness = fold_fitness(ratios, np.array([50.0, 29, 30, 50]), OPTIONS)
    np.testing.assert_array_equal(fitness, [-np.inf, -np.inf, 1.0, -np.inf])


def test_one_fold_has_no_penalty() -> None:
    np.testing.assert_array_equal(fold_fitness(np.array([[1.5]]), np.array([30.0]), OPTIONS), [1.5])


@given(st.integers(0, 1000), st.integers(1, 12), st.integers(0, 5000))
def test_folds_cover_the_segment_once_and_are_equal_within_a_bar(
    start: int, n_folds: int, extra: int
) -> None:
    stop = start + 31 * n_folds + extra
    folds = split_folds(start, stop, n_folds)
    assert [bar for fold in folds for bar in range(fold.start, fold.stop)] == list(range(start, stop))
    lengths = [fold.stop - fold.start for fold in folds]
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= 31


def test_too_short_a_segment_is_refused() -> None:
    with pytest.raises(NotEnoughBars, match="segment should hold >= 124 bars for 4 folds, holds 123"):
        split_folds(1000, 1123, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_folds": 0}, "n_folds should be >= 1, is 0"),
        ({"spread_penalty": -1}, "spread_penalty should be finite and >= 0, is -1"),
        ({"min_trades": -1}, "min_trades should be >= 0, is -1"),
    ],
)
def test_options_out_of_bounds_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        FitnessOptions(**change)  # type: ignore[arg-type]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="sharpe_ratios should have shape"):
        fold_fitness(np.zeros(3), np.zeros(3), OPTIONS)
    with pytest.raises(InvalidArgument, match=r"n_trades should have shape \(2,\), has \(3,\)"):
        fold_fitness(np.zeros((2, 4)), np.zeros(3), OPTIONS)
