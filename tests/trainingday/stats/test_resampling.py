"""Intervals by order statistics and by blocks."""

import numpy as np
import pytest

from tests.markets import null_returns
from trainingday.exceptions import InvalidArgument
from trainingday.stats.drawdowns import max_drawdown
from trainingday.stats.resampling import _depths, drawdown_difference_interval, median_interval
from trainingday.stats.returns import equity_curve


def test_the_median_interval_of_the_textbook():
    # n = 10: the 2nd smallest and 2nd largest, coverage 97.9 % (Conover, table A3).
    assert median_interval(np.arange(1.0, 11.0)) == (2.0, 9.0)


@pytest.mark.parametrize(("n", "is_defined"), [(0, False), (5, False), (6, True)])
def test_six_values_are_enough_for_95_percent(n, is_defined):
    assert (median_interval(np.arange(float(n))) is not None) is is_defined


def test_the_median_interval_covers_at_least_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(1_000):
        low, high = median_interval(rng.exponential(size=21))
        hits += low <= np.log(2) <= high
    assert 0.95 - 0.021 <= hits / 1_000 <= 0.99


def test_drawdowns_of_resamples_are_drawdowns():
    returns = null_returns("student", 400, np.random.default_rng(2)).reshape(4, 100)
    found = _depths(returns)
    for row, depth in zip(returns, found, strict=True):
        assert depth == pytest.approx(max_drawdown(equity_curve(row)), rel=1e-12)


def test_ruin_in_a_resample_is_a_drawdown_of_everything():
    assert _depths(np.array([[0.1, -1.0, 0.5, -1.0]]))[0] == -1.0


def test_half_the_exposure_falls_less_deep():
    returns = null_returns("garch", 2_000, np.random.default_rng(3))
    value, interval = drawdown_difference_interval(0.5 * returns, returns, rng=np.random.default_rng(4))
    depths = [max_drawdown(equity_curve(r)) for r in (0.5 * returns, returns)]
    assert value == pytest.approx(depths[0] - depths[1])
    assert 0 < interval.low < interval.high


def test_the_same_series_does_not_differ_from_itself():
    returns = null_returns("garch", 500, np.random.default_rng(5))
    value, interval = drawdown_difference_interval(returns, returns, rng=np.random.default_rng(6))
    assert value == 0.0
    assert interval == (0.0, 0.0)


@pytest.mark.parametrize(
    "bad", [np.zeros(29), np.full(100, np.nan), np.full(100, np.inf), np.full(100, -1.5)]
)
def test_series_without_a_drawdown_have_no_interval(bad):
    assert drawdown_difference_interval(bad, bad, rng=np.random.default_rng(7)) is None


def test_wrong_arguments_are_named():
    series, rng = np.zeros(100), np.random.default_rng(8)
    with pytest.raises(InvalidArgument, match="n_draws should be >= 99, is 5"):
        drawdown_difference_interval(series, series, rng=rng, n_draws=5)
    with pytest.raises(InvalidArgument, match="block_length should be 1"):
        drawdown_difference_interval(series, series, rng=rng, block_length=101)
    with pytest.raises(InvalidArgument, match="confidence"):
        median_interval(series, 1.0)
