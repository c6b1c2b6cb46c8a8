"""Indicators against NumPy and pandas, and on markets where nothing moves."""

import numpy as np
import pandas as pd
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from tests.markets import gaussian_bars
from trainingday.backtest import indicators
from trainingday.bars import Bars


@pytest.fixture(scope="module")
def bars() -> Bars:
    return gaussian_bars(3_000, seed=4)


@pytest.mark.parametrize("window", [2, 3, 20, 333])
def test_rolling_moments_equal_those_of_each_window(bars: Bars, window: int) -> None:
    windows = sliding_window_view(bars.close, window)
    np.testing.assert_allclose(
        indicators.rolling_mean_nb(bars.close, window)[window - 1 :], windows.mean(axis=1), rtol=1e-13
    )
    np.testing.assert_allclose(
        indicators.rolling_deviation_nb(bars.close, window)[window - 1 :],
        windows.std(axis=1),
        rtol=1e-8,
        atol=1e-10,
    )


def test_rolling_deviation_keeps_its_digits_at_a_high_price() -> None:
    noise = np.random.default_rng(0).standard_normal(5_000) * 1e-3
    values = 1e6 + noise
    expected = sliding_window_view(values - 1e6, 50).std(axis=1)
    np.testing.assert_allclose(indicators.rolling_deviation_nb(values, 50)[49:], expected, rtol=1e-9)


@pytest.mark.parametrize("window", [2, 5, 64])
def test_highest_and_lowest_before_leave_the_bar_itself_out(bars: Bars, window: int) -> None:
    high, low = pd.Series(bars.high), pd.Series(bars.low)
    np.testing.assert_array_equal(
        indicators.highest_before_nb(bars.high, window), high.rolling(window).max().shift(1)
    )
    np.testing.assert_array_equal(
        indicators.lowest_before_nb(bars.low, window), low.rolling(window).min().shift(1)
    )


@pytest.mark.parametrize("window", [2, 5, 64, 500])
def test_bars_since_a_high_or_low_say_which_channels_a_close_leaves(bars: Bars, window: int) -> None:
    since_high = indicators.bars_since_as_high_nb(bars.high, bars.close)
    since_low = indicators.bars_since_as_low_nb(bars.low, bars.close)
    close, high, low = (pd.Series(column) for column in (bars.close, bars.high, bars.low))
    above = close > high.rolling(window).max().shift(1)
    below = close < low.rolling(window).min().shift(1)
    assert above.any() and below.any()
    np.testing.assert_array_equal(since_high > window, above)
    np.testing.assert_array_equal(since_low > window, below)


def test_the_distance_from_the_mean_is_nothing_while_volatility_is_unusual(bars: Bars) -> None:
    close = pd.Series(bars.close)
    returns = np.log(close / close.shift(1))
    recent, usual = returns.rolling(10).std(ddof=0), returns.rolling(60).std(ddof=0)
    expected = (close / close.rolling(20).mean() - 1).where(recent <= 1.1 * usual, 0.0)
    found = indicators.calm_distance_nb(bars.close, bars.log_returns, 20, 10, 60, 1.1)
    assert np.isnan(found[:60]).all()
    assert 0.05 < (found[60:] == 0).mean() < 0.95
    np.testing.assert_allclose(found[60:], expected[60:], rtol=1e-9, atol=1e-12)


def test_macd_is_the_line_less_its_own_mean(bars: Bars) -> None:
    line = indicators.exponential_mean_nb(bars.close, 12) - indicators.exponential_mean_nb(bars.close, 26)
    expected = line - indicators.exponential_mean_nb(line, 9)
    found = indicators.macd_histogram_nb(bars.close, 12, 26, 9)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def test_channel_distance_is_in_average_true_ranges(bars: Bars) -> None:
    close, before = pd.Series(bars.close), pd.Series(bars.close).shift(1)
    true_range = np.maximum(bars.high, before) - np.minimum(bars.low, before)
    mean_range = true_range.iloc[1:15].mean()
    for value in true_range.iloc[15:400]:
        mean_range += (value - mean_range) / 14
    expected = (close[399] - close[386:400].mean()) / mean_range
    found = indicators.channel_distance_nb(bars.high, bars.low, bars.close, 14)
    assert np.isnan(found[:14]).all()
    assert found[399] == pytest.approx(expected, rel=1e-10)


def test_exponential_mean_is_the_recursion_from_the_first_windows_mean(bars: Bars) -> None:
    seeded = np.concatenate(([bars.close[:12].mean()], bars.close[12:]))
    expected = pd.Series(seeded).ewm(span=12, adjust=False).mean()
    found = indicators.exponential_mean_nb(bars.close, 12)
    assert np.isnan(found[:11]).all()
    np.testing.assert_allclose(found[11:], expected, rtol=1e-12)


def test_relative_strength_equals_wilders_ratio(bars: Bars) -> None:
    steps = np.diff(bars.close)
    rises, falls = np.maximum(steps, 0), np.maximum(-steps, 0)
    up, down = rises[:14].mean(), falls[:14].mean()
    for rise, fall in zip(rises[14:100], falls[14:100], strict=True):
        up, down = (13 * up + rise) / 14, (13 * down + fall) / 14
    expected = 100 - 100 / (1 + up / down)
    assert indicators.relative_strength_nb(bars.close, 14)[100] == pytest.approx(expected)


def test_true_range_spans_the_gap_from_the_previous_close() -> None:
    high, low, close = np.array([10.0, 14.0]), np.array([9.0, 13.0]), np.array([9.5, 13.5])
    assert indicators.true_range_nb(high, low, close)[1] == 14.0 - 9.5


def test_a_market_that_does_not_move_gives_neutral_values() -> None:
    still = np.full(200, 123.456)
    assert set(indicators.z_score_nb(still, 20)[19:]) == {0.0}
    assert set(indicators.relative_strength_nb(still, 14)[14:]) == {50.0}
    assert set(indicators.channel_distance_nb(still, still, still, 14)[14:]) == {0.0}
    assert set(indicators.volatility_nb(still, 10)[10:]) == {0.0}


@pytest.mark.parametrize("n_bars", [1, 2, 5])
def test_fewer_bars_than_the_window_give_nan(n_bars: int) -> None:
    values = np.linspace(1.0, 2.0, n_bars)
    for found in (
        indicators.momentum_nb(values, 20),
        indicators.z_score_nb(values, 20),
        indicators.exponential_mean_nb(values, 20),
        indicators.relative_strength_nb(values, 20),
        indicators.channel_distance_nb(values, values, values, 20),
        indicators.macd_histogram_nb(values, 12, 26, 9),
        indicators.highest_before_nb(values, 20),
        indicators.calm_distance_nb(values, values, 20, 3, 4, 1.0),
        indicators.volatility_nb(values, 20),
    ):
        assert found.shape == (n_bars,)
        assert np.isnan(found).all()
