"""PSR, DSR, track record lengths and Fieller's interval: the papers' own numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.markets import null_returns
from trainingday.exceptions import InvalidArgument
from trainingday.stats.significance import (
    SharpeMoments,
    deflated_benchmark,
    deflated_sharpe_ratio,
    expected_maximum,
    fieller_interval,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_moments,
)


@pytest.mark.parametrize(
    ("n_trials", "value"),
    [(5, 1.1926), (10, 1.5746), (20, 1.9007), (50, 2.2763), (100, 2.5306), (200, 2.7655), (1000, 3.2551)],
)
def test_the_expected_maximum(n_trials, value):
    assert expected_maximum(n_trials) == pytest.approx(value, abs=6e-5)


def test_the_expected_maximum_is_near_a_simulated_one():
    draws = np.random.default_rng(1).standard_normal((20_000, 100)).max(axis=1)
    assert expected_maximum(100) == pytest.approx(draws.mean(), rel=0.015)
    assert expected_maximum(1) == 0.0


DAILY = 2.5 / math.sqrt(250)
TRIALS_VARIANCE = 0.5 / 250


@pytest.mark.parametrize(
    ("skewness", "kurtosis", "n_trials", "value"),
    [(-3.0, 10.0, 100, 0.9004), (-3.0, 10.0, 46, 0.9505), (0.0, 3.0, 88, 0.9505)],
)
def test_the_deflated_sharpe_ratio_of_the_paper(skewness, kurtosis, n_trials, value):
    moments = SharpeMoments(DAILY, skewness, kurtosis, 1250)
    assert deflated_sharpe_ratio(moments, n_trials, TRIALS_VARIANCE) == pytest.approx(value, abs=6e-5)


def test_the_deflated_benchmark_of_the_paper():
    assert deflated_benchmark(100, TRIALS_VARIANCE) == pytest.approx(0.1132, abs=6e-5)


@pytest.mark.parametrize(("skewness", "kurtosis", "value"), [(0.0, 3.0, 0.9817), (-2.448, 10.164, 0.9134)])
def test_the_probabilistic_sharpe_ratio_of_the_paper(skewness, kurtosis, value):
    moments = SharpeMoments(0.458, skewness, kurtosis, 24)
    assert probabilistic_sharpe_ratio(moments) == pytest.approx(value, abs=6e-5)


@pytest.mark.parametrize(
    ("bars_per_year", "normal", "skewed"), [(252, 2.73, 3.01), (52, 2.83, 3.51), (12, 3.24, 4.99)]
)
def test_the_minimum_track_record_of_the_paper(bars_per_year, normal, skewed):
    scale = math.sqrt(bars_per_year)
    for skewness, kurtosis, years in ((0.0, 3.0, normal), (-0.72, 5.78, skewed)):
        moments = SharpeMoments(2.0 / scale, skewness, kurtosis, 0)
        bars = minimum_track_record_length(moments, 1.0 / scale)
        assert bars / bars_per_year == pytest.approx(years, abs=6e-3)


@pytest.mark.parametrize(("n_trials", "years"), [(45, 5.0), (20, 3.61), (200, 7.65), (2000, 11.88)])
def test_the_minimum_backtest_length(n_trials, years):
    assert minimum_backtest_length(n_trials) == pytest.approx(years, abs=6e-3)


def test_after_the_minimum_track_record_the_psr_is_the_confidence():
    moments = SharpeMoments(0.1, -0.5, 6.0, 0)
    n_bars = minimum_track_record_length(moments, 0.03, 0.95)
    whole = SharpeMoments(0.1, -0.5, 6.0, round(n_bars))
    assert probabilistic_sharpe_ratio(whole, 0.03) == pytest.approx(0.95, abs=1e-3)


def test_moments_are_scipys():
    returns = null_returns("student", 900, np.random.default_rng(4))
    moments = sharpe_moments(returns)
    assert moments.skewness == pytest.approx(stats.skew(returns))
    assert moments.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False))
    assert moments.sharpe == pytest.approx(returns.mean() / returns.std())


@pytest.mark.parametrize("bad", [np.zeros(100), np.full(100, np.nan), np.ones(29), np.array([])])
def test_degenerate_returns_have_no_moments(bad):
    assert sharpe_moments(bad) is None


def test_impossible_moments_have_no_psr():
    # Skewness 30 at SR 0.2 makes 1 - 6 + ... negative.
    moments = SharpeMoments(0.2, 30.0, 3.0, 500)
    assert probabilistic_sharpe_ratio(moments) is None
    assert minimum_track_record_length(moments) is None


def test_a_losing_record_is_never_long_enough():
    assert minimum_track_record_length(SharpeMoments(-0.1, 0.0, 3.0, 500)) is None


def test_fieller_on_independent_estimates_inverts_the_contrast_test():
    interval = fieller_interval(3.0, 2.0, 0.04, 0.01, 0.0, 1.96)
    for ratio in interval:
        assert abs(3.0 - ratio * 2.0) / math.sqrt(0.04 + ratio**2 * 0.01) == pytest.approx(1.96)
    assert interval.low < 1.5 < interval.high


def test_fieller_with_an_exact_denominator_is_the_plain_interval():
    low, high = fieller_interval(3.0, 2.0, 0.04, 0.0, 0.0, 1.96)
    assert (low, high) == pytest.approx((1.5 - 0.98 * 0.2, 1.5 + 0.98 * 0.2))


def test_fieller_is_unbounded_where_the_denominator_may_be_zero():
    assert fieller_interval(3.0, 0.1, 0.04, 0.01, 0.0, 1.96) is None


def test_fieller_covers_the_true_ratio_as_often_as_it_says():
    rng = np.random.default_rng(12)
    covariance = np.array([[0.04, 0.015], [0.015, 0.02]])
    pairs = rng.multivariate_normal([1.3, 1.0], covariance, size=4_000)
    hits = 0
    for a, b in pairs:
        interval = fieller_interval(a, b, 0.04, 0.02, 0.015, 1.959964)
        hits += interval is None or interval.low <= 1.3 <= interval.high
    assert 0.95 - 4 * 0.0034 <= hits / 4_000 <= 0.95 + 4 * 0.0034


@settings(max_examples=60, deadline=None)
@given(sharpe=st.floats(0.0, 0.3), more=st.integers(2, 5000), fewer=st.integers(2, 5000))
def test_more_trials_deflate_more(sharpe, more, fewer):
    moments = SharpeMoments(sharpe, 0.0, 3.0, 1000)
    many, few = max(more, fewer), min(more, fewer)
    assert deflated_sharpe_ratio(moments, many, 1e-3) <= deflated_sharpe_ratio(moments, few, 1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_maximum(0), "n_trials should be >= 1, is 0"),
        (lambda: deflated_benchmark(5, -1.0), "trials_variance should be finite and >= 0, is -1.0"),
        (lambda: minimum_backtest_length(5, 0.0), "sharpe should be finite and > 0, is 0.0"),
        (lambda: minimum_track_record_length(SharpeMoments(0.1, 0, 3, 9), 0.0, 0.4), "confidence"),
        (lambda: probabilistic_sharpe_ratio(SharpeMoments(0.1, 0, 3, 1)), "n_bars should be >= 2, is 1"),
        (lambda: fieller_interval(1, 1, -1, 0, 0, 2), "variances should be >= 0"),
        (lambda: fieller_interval(1, 1, 1, 0, 0, 0), "critical should be > 0, is 0"),
    ],
)
def test_a_wrong_argument_is_named(call, message):
    with pytest.raises(InvalidArgument, match=message):
        call()
