"""Volatility and volume regimes against pandas, and their cuts from train alone."""

import numpy as np
import pandas as pd

from patterns.discovery.regimes import (
    MarketState,
    classify,
    place_in_range,
    relative_volume,
    tercile_cuts,
    trailing_trend,
    trailing_volatility,
)
from tests.markets import gaussian_bars
from trainingday.bars import Bars


def test_volatility_is_the_deviation_of_the_last_50_log_returns() -> None:
    bars = gaussian_bars(5000, 1)
    expected = pd.Series(np.log(bars.close)).diff().rolling(50).std().to_numpy()
    np.testing.assert_allclose(trailing_volatility(bars), expected, rtol=1e-9)


def test_volume_is_the_mean_of_50_bars_over_that_of_500() -> None:
    bars = gaussian_bars(5000, 1)
    volume = pd.Series(bars.volume)
    expected = volume.rolling(50).mean() / volume.rolling(500, min_periods=50).mean()
    np.testing.assert_allclose(relative_volume(bars), expected.to_numpy(), rtol=1e-9)


def test_trend_is_the_return_of_120_bars_in_units_of_volatility() -> None:
    bars = gaussian_bars(3000, 1)
    volatility = trailing_volatility(bars)
    expected = np.log(pd.Series(bars.close)).diff(120) / (volatility * np.sqrt(120))
    np.testing.assert_allclose(trailing_trend(bars, volatility), expected.to_numpy(), rtol=1e-9)


def test_place_is_where_the_close_lies_in_the_range_of_120_bars() -> None:
    bars = gaussian_bars(3000, 1)
    high = pd.Series(bars.high).rolling(120).max()
    low = pd.Series(bars.low).rolling(120).min()
    expected = (bars.close - low) / (high - low)
    np.testing.assert_allclose(place_in_range(bars), expected.to_numpy(), rtol=1e-9)


def test_trend_and_place_are_undefined_until_120_bars_follow_a_gap() -> None:
    bars = gaussian_bars(1000, 1)
    bars.gap_before[500] = True
    state = MarketState(bars)
    assert np.flatnonzero(np.isnan(state.trend[500:])).tolist() == list(range(120))
    assert np.flatnonzero(np.isnan(state.place[500:])).tolist() == list(range(119))
    assert np.isnan(MarketState(bars[:100]).trend).all()
    assert np.isnan(MarketState(bars[:100]).place).all()


def test_volatility_is_undefined_across_a_gap_and_where_the_price_stands_still() -> None:
    bars = gaussian_bars(400, 2)
    gaps = np.zeros(400, dtype=bool)
    gaps[200] = True
    close = bars.close.copy()
    close[300:] = close[300]
    changed = Bars(bars.timestamps, bars.open, bars.high, bars.low, close, bars.volume, gaps)
    volatility = trailing_volatility(changed)
    assert np.isnan(volatility[:50]).all()
    assert np.isfinite(volatility[50:200]).all()
    assert np.isnan(volatility[200:250]).all()
    assert np.isfinite(volatility[250:350]).all()
    assert np.isnan(volatility[350:]).all()


def test_a_straight_line_has_no_volatility() -> None:
    line = np.exp(np.linspace(0, 1, 300))
    still = np.zeros(300, dtype=bool)
    bars = Bars(np.arange(300), line, line, line, line, line, still)
    assert np.isnan(trailing_volatility(bars)).all()


def test_each_regime_holds_a_third_of_train() -> None:
    bars = gaussian_bars(10_000, 3)
    state = MarketState(bars)
    cuts = tercile_cuts(state, slice(0, 8000))
    for values, bounds in ((state.volatility, cuts.volatility), (state.volume, cuts.volume)):
        regimes = classify(values, bounds)
        counts = np.bincount(regimes[:8000][regimes[:8000] >= 0], minlength=3)
        assert counts.max() - counts.min() <= 2
        np.testing.assert_array_equal(regimes < 0, ~np.isfinite(values))


def test_cuts_do_not_see_what_follows_train() -> None:
    bars = gaussian_bars(4000, 4)
    loud = gaussian_bars(4000, 4)
    loud.close[2000:] *= np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.1, 2000)))
    loud.volume[2000:] *= 100
    train = slice(0, 2000)
    assert tercile_cuts(MarketState(bars), train) == tercile_cuts(MarketState(loud), train)


def test_without_volume_there_are_no_volume_regimes() -> None:
    bars = gaussian_bars(1000, 5)
    bars.volume[:] = 0.0
    cuts = tercile_cuts(MarketState(bars), slice(0, 1000), has_volume=bars.has_volume)
    assert cuts.volume is None
    assert (classify(MarketState(bars).volume, None) == -1).all()
