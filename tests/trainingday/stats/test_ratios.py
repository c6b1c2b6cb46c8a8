"""Ratios: visible arithmetic, empyrical as an oracle, and None wherever a number would lie."""

import math

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.markets import null_returns
from trainingday.exceptions import InvalidArgument
from trainingday.stats.ratios import (
    calmar_ratio,
    expectancy,
    profit_factor,
    sharpe_interval,
    sharpe_ratio,
    sortino_ratio,
    win_rate,
)
from trainingday.stats.returns import annual_return, equity_curve, total_return, volatility

YEAR = 252
RETURNS = null_returns("garch", 1_500, np.random.default_rng(11)) + 0.0004


def test_a_sharpe_ratio_is_mean_over_sample_deviation():
    returns = np.tile([0.02, -0.01], 20)
    deviation = 0.015 * math.sqrt(40 / 39)
    assert sharpe_ratio(returns, 4) == pytest.approx(0.005 / deviation * 2, rel=1e-12)


def test_a_sortino_ratio_counts_every_bar_in_the_downside():
    returns = np.tile([0.02, -0.01], 20)
    assert sortino_ratio(returns, 4) == pytest.approx(0.005 / math.sqrt(0.0001 / 2) * 2, rel=1e-12)


def test_a_calmar_ratio_is_growth_over_depth():
    returns = np.zeros(32)
    returns[3], returns[5] = 1.0, -0.25
    # 1.0 -> 2.0 -> 1.5 over 32 bars of a year of 32: growth 0.5, depth 0.25.
    assert calmar_ratio(returns, 32) == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (sharpe_ratio(RETURNS, YEAR), empyrical.sharpe_ratio(RETURNS, annualization=YEAR)),
        (sortino_ratio(RETURNS, YEAR), empyrical.sortino_ratio(RETURNS, annualization=YEAR)),
        (calmar_ratio(RETURNS, YEAR), empyrical.calmar_ratio(RETURNS, annualization=YEAR)),
        (annual_return(RETURNS, YEAR), empyrical.annual_return(RETURNS, annualization=YEAR)),
        (volatility(RETURNS, YEAR), empyrical.annual_volatility(RETURNS, annualization=YEAR)),
        (total_return(RETURNS), empyrical.cum_returns_final(RETURNS)),
    ],
    ids=["sharpe", "sortino", "calmar", "annual_return", "volatility", "total_return"],
)
def test_empyrical_agrees(ours, theirs):
    assert ours == pytest.approx(float(theirs), rel=1e-10)


DEGENERATE = {
    "empty": np.array([]),
    "one_bar": np.array([0.01]),
    "too_few": RETURNS[:29],
    "constant": np.full(500, 0.001),
    "zeros": np.zeros(500),
    "all_nan": np.full(500, np.nan),
    "one_nan": np.where(np.arange(500) == 250, np.nan, 0.001 * np.arange(500) % 7),
    "infinite": np.where(np.arange(500) == 250, np.inf, 0.001),
    "overflowing": np.where(np.arange(500) % 2 == 0, 1e200, -1e200),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("ratio", [sharpe_ratio, sharpe_interval, sortino_ratio])
def test_a_degenerate_series_has_no_ratio(name, ratio):
    assert ratio(DEGENERATE[name], YEAR) is None


@pytest.mark.parametrize("name", DEGENERATE)
def test_no_statistic_of_a_degenerate_series_is_infinite(name):
    for statistic in (calmar_ratio, annual_return, volatility):
        value = statistic(DEGENERATE[name], YEAR)
        assert value is None or math.isfinite(value)
    value = total_return(DEGENERATE[name])
    assert value is None or math.isfinite(value)


def test_thirty_observations_are_enough_for_a_sharpe_ratio():
    assert sharpe_ratio(RETURNS[:30], YEAR) is not None


def test_a_series_that_never_loses_has_no_sortino_and_no_calmar_ratio():
    gains = np.tile([0.0, 0.01], 50)
    assert sharpe_ratio(gains, YEAR) is not None
    assert sortino_ratio(gains, YEAR) is None
    assert calmar_ratio(gains, YEAR) is None


def test_ruin_loses_everything_and_no_more():
    returns = np.concatenate((RETURNS[:40], [-1.0], np.zeros(40)))
    assert total_return(returns) == -1.0
    assert annual_return(returns, YEAR) == -1.0
    assert total_return(np.array([-1.5, 0.1])) is None


def test_a_steep_start_has_no_annual_return_rather_than_infinity():
    assert annual_return(np.array([10.0]), 525_600) is None


@pytest.mark.parametrize("bars_per_year", [0, -1, math.nan, math.inf])
def test_bars_per_year_should_be_finite_and_positive(bars_per_year):
    with pytest.raises(InvalidArgument, match="bars_per_year should be finite and > 0"):
        sharpe_ratio(RETURNS, bars_per_year)


def test_returns_should_have_one_dimension():
    with pytest.raises(InvalidArgument, match="1 dimension, has 2"):
        sharpe_ratio(np.zeros((40, 2)), YEAR)


@settings(max_examples=50, deadline=None)
@given(scale=st.floats(0.01, 10.0), seed=st.integers(0, 10_000))
def test_the_sharpe_ratio_ignores_leverage(scale, seed):
    returns = null_returns("student", 300, np.random.default_rng(seed))
    assert sharpe_ratio(scale * returns, YEAR) == pytest.approx(sharpe_ratio(returns, YEAR), rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), split=st.integers(1, 299))
def test_total_returns_compound(seed, split):
    returns = null_returns("garch", 300, np.random.default_rng(seed))
    whole = (1 + total_return(returns[:split])) * (1 + total_return(returns[split:])) - 1
    assert total_return(returns) == pytest.approx(whole, rel=1e-9, abs=1e-12)
    assert equity_curve(returns, 100.0)[-1] == pytest.approx(100 * (1 + whole), rel=1e-12)


def test_the_sharpe_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    truth = 0.05
    hits = 0
    for _ in range(400):
        interval = sharpe_interval(0.01 * (rng.standard_normal(500) + truth), 1.0)
        hits += interval.low <= truth <= interval.high
    # 95 % of 400 is 380 with deviation 4.4: four deviations either side.
    assert 362 <= hits <= 398


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_confidence_should_be_a_fraction(confidence):
    with pytest.raises(InvalidArgument, match="confidence"):
        sharpe_interval(RETURNS, YEAR, confidence)


def test_trade_ratios_are_plain_arithmetic():
    profits = np.array([3.0, -1.0, 0.0, 2.0, -1.5])
    assert win_rate(profits) == 2 / 5
    assert profit_factor(profits) == 5.0 / 2.5
    assert expectancy(profits) == 2.5 / 5


def test_no_trades_have_no_ratios_and_no_loss_has_no_profit_factor():
    for ratio in (win_rate, profit_factor, expectancy):
        assert ratio(np.array([])) is None
        assert ratio(np.array([np.nan, 1.0])) is None
    assert profit_factor(np.array([1.0, 2.0])) is None
    assert win_rate(np.array([1.0, 2.0])) == 1.0
