"""Outcomes by hand, and thinning."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patterns.discovery.outcomes import forward_log_returns, scaled_outcomes, thin_mask
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.stats.multiplicity import thin_occurrences


def bars_with_opens(opens: list[float], gap: int | None = None) -> Bars:
    prices = np.array(opens)
    gaps = np.zeros(prices.size, dtype=bool)
    if gap is not None:
        gaps[gap] = True
    return Bars.create(np.arange(prices.size), prices, prices, prices, prices, None, gaps)


def test_a_decision_is_entered_at_the_next_open_and_left_horizon_bars_later() -> None:
    bars = bars_with_opens([1.0, 2.0, 4.0, 8.0, 4.0])
    log2 = np.log(2)
    np.testing.assert_allclose(forward_log_returns(bars, 1), [log2, log2, -log2, np.nan, np.nan])
    np.testing.assert_allclose(
        forward_log_returns(bars, 2), [2 * log2, 0.0, np.nan, np.nan, np.nan], atol=1e-15
    )
    assert np.isnan(forward_log_returns(bars, 4)).all()


@pytest.mark.parametrize("size", [1e-9, 0.001, 0.03, 0.06, 1.0])
@pytest.mark.parametrize("horizon", [1, 7, 50])
def test_small_and_large_moves_have_the_logarithms_value(size: float, horizon: int) -> None:
    moves = size * np.random.default_rng(1).standard_normal(3000)
    bars = bars_with_opens(list(1e4 * np.exp(np.cumsum(moves) - np.mean(np.cumsum(moves)))))
    expected = np.log(bars.open[1 + horizon :] / bars.open[1:-horizon])
    np.testing.assert_allclose(
        forward_log_returns(bars, horizon)[: expected.size], expected, rtol=1e-13, atol=3e-16
    )


def test_an_outcome_across_missing_bars_is_unknown() -> None:
    bars = bars_with_opens([1.0, 2.0, 4.0, 8.0, 4.0, 4.0], gap=3)
    known = np.isfinite(forward_log_returns(bars, 1))
    # Bar 1 leaves at bar 3, bar 2 enters at bar 3: both wait across the gap.
    assert known.tolist() == [True, False, False, True, False, False]


def test_outcomes_are_in_units_of_volatility_times_root_horizon() -> None:
    assert scaled_outcomes(np.array([0.06]), np.array([0.01]), 9)[0] == pytest.approx(2.0)


def test_thinning_keeps_the_first_of_each_horizon() -> None:
    is_seen = np.zeros(21, dtype=bool)
    is_seen[[0, 3, 5, 6, 11, 12, 20]] = True
    assert thin_mask(is_seen, 5).tolist() == [0, 5, 11, 20]
    assert thin_mask(is_seen, 5, last_kept=-2).tolist() == [3, 11, 20]


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 30))
def test_thinning_equals_the_statistics_packages(seen: list[bool], horizon: int) -> None:
    is_seen = np.array(seen, dtype=bool)
    expected = thin_occurrences(np.flatnonzero(is_seen), horizon)
    assert thin_mask(is_seen, horizon).tolist() == expected.tolist()


@given(st.lists(st.booleans(), min_size=2, max_size=200), st.integers(1, 30), st.data())
def test_thinning_in_two_parts_equals_thinning_at_once(
    seen: list[bool], horizon: int, data: st.DataObject
) -> None:
    is_seen = np.array(seen, dtype=bool)
    cut = data.draw(st.integers(1, len(seen) - 1))
    first = thin_mask(is_seen[:cut], horizon)
    last = int(first[-1]) - cut if first.size else None
    second = cut + thin_mask(is_seen[cut:], horizon, last)
    assert [*first, *second] == thin_mask(is_seen, horizon).tolist()


def test_a_horizon_below_one_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="horizon"):
        forward_log_returns(bars_with_opens([1.0, 2.0]), 0)
