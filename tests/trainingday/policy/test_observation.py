"""Features: their values, their bounds, and that they know nothing of the future."""

from dataclasses import replace

import numpy as np
import pytest

from tests.lookahead import find_lookahead
from tests.markets import bars_from_log_returns, gaussian_bars, planted_bars
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.policy.observation import (
    CLIP,
    FEATURE_NAMES,
    HORIZONS,
    N_FEATURES,
    OBSERVATIONS,
    compute_features,
    n_alike,
)

RISING = 100 * np.exp(0.01 * np.arange(50))
COLUMN = {name: index for index, name in enumerate(FEATURE_NAMES)}


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_no_feature_sees_a_later_bar(observation: str) -> None:
    bars = planted_bars("mixture_hourly", 600, 1)
    rng = np.random.default_rng(2)
    assert find_lookahead(lambda b: compute_features(b, observation), bars, 100, rng) == []


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_a_truncated_history_gives_the_same_bits(observation: str) -> None:
    bars = planted_bars("regime_hourly", 700, 3)
    whole = compute_features(bars, observation)
    for cut in (1, 2, 17, 33, 129, 500):
        np.testing.assert_array_equal(compute_features(bars[:cut], observation), whole[:cut])


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_the_last_rows_alone_are_the_same_bits(observation: str) -> None:
    bars = planted_bars("regime_hourly", 700, 3)
    whole = compute_features(bars, observation)
    for first in (0, 1, 15, 16, 31, 128, 500, 699, 700):
        np.testing.assert_array_equal(compute_features(bars, observation, first), whole[first:])


def test_bars_are_alike_up_to_the_first_close_or_volume_that_differs() -> None:
    bars = gaussian_bars(100, 8)
    volume = bars.volume.copy()
    volume[60] += 1.0
    assert n_alike(bars, bars[:40]) == n_alike(bars[:40], bars) == 40
    assert n_alike(bars, replace(bars, volume=volume)) == 60
    assert n_alike(bars, replace(bars, close=2 * bars.close)) == 0
    assert n_alike(bars, replace(bars, high=2 * bars.high)) == 100  # no feature reads it


def test_features_are_finite_float32_within_the_clip() -> None:
    rng = np.random.default_rng(4)
    wild = bars_from_log_returns(0.2 * rng.standard_t(2, 3000).clip(-3, 3), rng)
    features = compute_features(wild)
    assert features.shape == (3000, N_FEATURES)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.abs(features).max() <= CLIP
    assert (np.abs(features) == CLIP).any()


def test_returns_are_scaled_by_volatility_and_the_root_of_the_horizon() -> None:
    bars = gaussian_bars(400, 5)
    moves = np.diff(np.log(bars.close))
    weights = (1 - 2 / 129) ** np.arange(moves.size)[::-1]
    volatility = np.sqrt((weights * moves**2).sum() / weights.sum())
    features = compute_features(bars)
    for column, horizon in enumerate(HORIZONS):
        change = np.log(bars.close[-1] / bars.close[-1 - horizon])
        expected = change / (volatility * np.sqrt(horizon))
        assert features[-1, column] == pytest.approx(expected, rel=1e-5)


def test_distance_from_the_mean_is_in_standard_deviations() -> None:
    bars = gaussian_bars(300, 6)
    for window in (32, 128):
        logs = np.log(bars.close[-window:])
        expected = (logs[-1] - logs.mean()) / logs.std()
        actual = compute_features(bars)[-1, COLUMN[f"distance_from_mean_{window}"]]
        assert actual == pytest.approx(expected, rel=1e-5)


def test_up_down_balance_is_one_where_prices_only_rise() -> None:
    rising, falling = (Bars.create(np.arange(50), p, p, p, p) for p in (RISING, RISING[::-1]))
    assert compute_features(rising)[-1, COLUMN["up_down_balance"]] == pytest.approx(1.0)
    assert compute_features(falling)[-1, COLUMN["up_down_balance"]] == pytest.approx(-1.0)


def test_scaling_prices_changes_no_feature() -> None:
    bars = gaussian_bars(400, 7)
    doubled = replace(bars, open=2 * bars.open, high=2 * bars.high, low=2 * bars.low, close=2 * bars.close)
    np.testing.assert_allclose(compute_features(doubled), compute_features(bars), atol=2e-5)


def test_constant_prices_without_volume_give_zeros() -> None:
    flat = np.full(300, 50.0)
    bars = Bars.create(np.arange(300), flat, flat, flat, flat)
    assert not compute_features(bars).any()


def test_one_bar_gives_zeros() -> None:
    assert not compute_features(gaussian_bars(9, 8)[:1]).any()


def test_a_longer_return_waits_for_its_window() -> None:
    features = compute_features(gaussian_bars(200, 9))
    for column, horizon in enumerate(HORIZONS):
        assert not features[:horizon, column].any()
        assert features[horizon, column] != 0.0


def test_a_named_observation_keeps_its_columns() -> None:
    bars = gaussian_bars(200, 10)
    whole = compute_features(bars)
    np.testing.assert_array_equal(compute_features(bars, "no_volume"), whole[:, :-1])
    np.testing.assert_array_equal(compute_features(bars, "returns"), whole[:, : len(HORIZONS)])


def test_an_unknown_observation_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="observation should be one of"):
        compute_features(gaussian_bars(10, 0), "future")
