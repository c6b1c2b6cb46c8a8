"""Drawdowns of small hand-written curves, and empyrical as an oracle."""

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.markets import null_returns
from trainingday.stats.drawdowns import (
    deepest_drawdown,
    drawdown_series,
    longest_drawdown_bars,
    max_drawdown,
    max_drawdown_bars,
)
from trainingday.stats.returns import equity_curve

CURVE = np.array([100.0, 120.0, 90.0, 60.0, 120.0, 150.0, 140.0, 145.0, 149.0])


def test_the_deepest_drawdown_runs_from_peak_to_recovery():
    found = deepest_drawdown(CURVE)
    assert found.depth == 60 / 120 - 1
    assert (found.peak_bar, found.trough_bar, found.recovery_bar, found.n_bars) == (1, 3, 4, 3)
    assert max_drawdown(CURVE) == -0.5
    assert max_drawdown_bars(CURVE) == 3


def test_a_drawdown_without_recovery_lasts_to_the_end():
    found = deepest_drawdown(CURVE[:4])
    assert found.recovery_bar is None
    assert found.n_bars == 2


def test_the_longest_drawdown_may_be_another_than_the_deepest():
    assert longest_drawdown_bars(np.append(CURVE, 149.5)) == 4
    assert longest_drawdown_bars(CURVE) == 3


def test_a_rising_curve_has_no_drawdown():
    rising = np.arange(1.0, 9.0)
    assert max_drawdown(rising) == 0.0
    assert max_drawdown_bars(rising) == 0
    assert longest_drawdown_bars(rising) == 0
    assert longest_drawdown_bars(np.ones(5)) == 0


def test_ruin_is_a_drawdown_of_everything():
    assert max_drawdown(np.array([1.0, 2.0, 0.0, 0.0])) == -1.0


@pytest.mark.parametrize(
    "equity",
    [np.array([]), np.array([0.0, 1.0]), np.array([1.0, np.nan]), np.array([1.0, np.inf]), np.array([-1.0])],
)
def test_an_undefined_curve_has_no_drawdown(equity):
    assert drawdown_series(equity) is None
    assert max_drawdown(equity) is None
    assert deepest_drawdown(equity) is None
    assert max_drawdown_bars(equity) is None
    assert longest_drawdown_bars(equity) is None


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n_bars=st.integers(2, 400))
def test_empyrical_agrees_on_the_depth(seed, n_bars):
    returns = null_returns("student", n_bars, np.random.default_rng(seed))
    assert max_drawdown(equity_curve(returns)) == pytest.approx(empyrical.max_drawdown(returns), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_longest_drawdown_is_at_least_the_deepest_one(seed):
    equity = equity_curve(null_returns("garch", 300, np.random.default_rng(seed)))
    assert longest_drawdown_bars(equity) >= max_drawdown_bars(equity) >= 0
