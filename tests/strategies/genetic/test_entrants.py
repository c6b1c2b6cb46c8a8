"""Entrants that always take part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.genetic.entrants import buy_and_hold_positions, flat_positions, random_positions
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray


def turnover(positions: FloatArray) -> float:
    return float(np.abs(np.diff(positions, prepend=0.0)).sum())


def n_changes(positions: FloatArray) -> int:
    return int(np.count_nonzero(np.diff(positions, prepend=0.0)))


def transitions(positions: FloatArray) -> list[tuple[float, float]]:
    signs = np.sign(positions)
    moved = np.flatnonzero(np.diff(signs))
    return sorted((float(signs[bar]), float(signs[bar + 1])) for bar in moved)


@given(
    st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.0, 0.25, 1.0]), min_size=1, max_size=120),
    st.integers(1, 4),
    st.integers(0, 2**32),
)
def test_random_entrants_trade_exactly_as_much(steps: list[float], stretch: int, seed: int) -> None:
    reference = np.repeat(np.array(steps), stretch)
    for drawn in random_positions(reference, 3, seed):
        np.testing.assert_array_equal(np.sort(drawn), np.sort(reference))
        assert turnover(drawn) == pytest.approx(turnover(reference), rel=1e-12, abs=1e-12)
        assert n_changes(drawn) == n_changes(reference)
        assert transitions(drawn) == transitions(reference)


def reference_of(n_bars: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    runs = [np.full(rng.geometric(0.05), sign) for sign in rng.integers(-1, 2, n_bars)]
    return np.concatenate(runs)[:n_bars].astype(float)


def test_random_entrants_trade_at_other_times_than_the_reference() -> None:
    reference = reference_of(5_000, 1)
    drawn = random_positions(reference, 200, 2)
    same = [np.corrcoef(reference, one)[0, 1] for one in drawn]
    # Independent but for the pinned last run: runs of 20 bars leave about 1/sqrt(250) of chance.
    assert abs(np.mean(same)) < 0.02
    assert np.std(same) < 0.1
    assert len({one.tobytes() for one in drawn}) == 200


def test_time_in_the_market_is_spread_evenly() -> None:
    reference = np.zeros(400)
    reference[10:60] = 1
    reference[100:150] = -1
    drawn = random_positions(reference, 4_000, 3)
    busy = np.abs(drawn).mean(axis=0)
    # Two runs of 50 among 400 bars: a quarter of the time, wherever one looks but at the edges.
    assert np.all(np.abs(busy[60:340] - busy[60:340].mean()) < 0.12)
    assert busy.mean() == pytest.approx(0.25)


def test_every_draw_with_a_seed_is_repeated_and_another_seed_differs() -> None:
    reference = reference_of(1_000, 4)
    np.testing.assert_array_equal(random_positions(reference, 3, 5), random_positions(reference, 3, 5))
    assert not np.array_equal(random_positions(reference, 3, 5), random_positions(reference, 3, 6))


def test_a_single_run_has_no_other_order() -> None:
    np.testing.assert_array_equal(random_positions(np.ones(50), 2, 0), np.ones((2, 50)))


def test_buy_and_hold_and_flat() -> None:
    np.testing.assert_array_equal(buy_and_hold_positions(3), [1, 1, 1])
    np.testing.assert_array_equal(flat_positions(3), [0, 0, 0])


def test_bad_arguments_are_refused() -> None:
    for reference in (np.array([]), np.ones((2, 2)), np.array([0, np.nan]), np.array([0, 1.5])):
        with pytest.raises(InvalidArgument, match="reference should be a vector"):
            random_positions(reference, 1, 0)
    with pytest.raises(InvalidArgument, match="n_draws should be >= 1, is 0"):
        random_positions(np.ones(3), 0, 0)
    with pytest.raises(InvalidArgument, match="n_bars should be >= 1, is 0"):
        flat_positions(0)
