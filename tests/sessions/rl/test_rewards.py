"""Rewards: visible arithmetic on hand-written bars."""

import numpy as np
import pytest

from sessions.rl.rewards import REWARDS, reward_table, risk_aversion
from tests.markets import gaussian_bars
from tests.sessions.rl.settings_for_tests import gappy_bars
from trainingday.backtest.engine import Costs
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, NotEnoughBars

COSTS = Costs(0.001, 0.0005)
OPEN, CLOSE = np.array([100.0, 102.0, 99.0]), np.array([101.0, 100.0, 103.0])


def _bars() -> Bars:
    return Bars.create(np.arange(3), OPEN, np.maximum(OPEN, CLOSE), np.minimum(OPEN, CLOSE), CLOSE)


def test_a_flip_pays_for_both_sides_and_earns_from_the_open() -> None:
    table = reward_table(_bars(), COSTS, bars_per_year=8760)
    std = np.std([np.log(100 / 101), np.log(103 / 100)])
    # Short over the gap 100 -> 99, then long from the open 99 to the close 103; two sides at 15 bps.
    pnl = -np.log(99 / 100) + np.log(103 / 99)
    aversion = 3 / np.sqrt(8760)
    expected = (pnl - 0.0015 * 2) / std - 0.5 * aversion * (pnl / std) ** 2
    assert table[1, 0, 2] == pytest.approx(expected, rel=1e-6)


def test_staying_flat_earns_nothing() -> None:
    for reward in REWARDS:
        table = reward_table(gaussian_bars(200, 1), COSTS, bars_per_year=365, reward=reward)
        assert table.shape == (199, 3, 3)
        assert not table[:, 1, 1].any()


def test_leaving_a_position_costs_what_entering_does() -> None:
    table = reward_table(gaussian_bars(500, 2), COSTS, bars_per_year=365, risk_factor=0.0)
    # Opens equal the closes before, so a held position that is left earns only its cost.
    np.testing.assert_allclose(table[:, 0, 1], table[:, 2, 1], rtol=1e-5)
    assert (table[:, 0, 1] < 0).all()


def test_without_costs_and_risk_the_sum_is_the_log_return_in_standard_deviations() -> None:
    bars = gappy_bars(3)
    table = reward_table(bars, Costs(0, 0), bars_per_year=365, risk_factor=0.0)
    std = np.diff(np.log(bars.close)).std()
    assert table[:, 2, 2].sum() == pytest.approx(np.log(bars.close[-1] / bars.close[0]) / std, rel=1e-4)
    assert table[:, 0, 0].sum() == pytest.approx(-np.log(bars.close[-1] / bars.close[0]) / std, rel=1e-4)


def test_the_scale_of_prices_and_of_moves_does_not_matter() -> None:
    small = reward_table(gaussian_bars(400, 4, sigma=0.001), Costs(0, 0), bars_per_year=365)
    large = reward_table(gaussian_bars(400, 4, sigma=0.010), Costs(0, 0), bars_per_year=365)
    np.testing.assert_allclose(small, large, rtol=1e-4, atol=1e-5)


def test_downside_punishes_losses_alone() -> None:
    bars = gaussian_bars(400, 5)
    plain = reward_table(bars, COSTS, bars_per_year=365, risk_factor=0.0)
    downside = reward_table(bars, COSTS, bars_per_year=365, reward="downside")
    gains = np.log(bars.close[1:] / bars.open[1:]) > 0
    np.testing.assert_allclose(downside[gains, 2, 2], plain[gains, 2, 2], rtol=1e-5, atol=1e-6)
    assert (downside[~gains, 2, 2] < plain[~gains, 2, 2]).all()


def test_volatility_scales_each_bar_by_what_was_known() -> None:
    bars = gaussian_bars(1000, 6)
    table = reward_table(bars, Costs(0, 0), bars_per_year=365, risk_factor=0.0, reward="volatility")
    moves = np.diff(np.log(bars.close))
    longer = table[500:, 2, 2] / moves[500:]
    assert longer.std() / longer.mean() < 0.2  # the true volatility is constant
    assert longer.mean() == pytest.approx(1 / 0.005, rel=0.1)


def test_risk_aversion_is_the_target_sharpe_per_bar() -> None:
    assert risk_aversion(8760) == pytest.approx(0.032, abs=0.001)
    assert risk_aversion(365) == pytest.approx(0.157, abs=0.001)
    assert risk_aversion(365, 2.0) == 2 * risk_aversion(365)


def test_constant_prices_give_finite_rewards() -> None:
    flat = np.full(50, 10.0)
    table = reward_table(Bars.create(np.arange(50), flat, flat, flat, flat), COSTS, bars_per_year=365)
    assert np.isfinite(table).all()


def test_an_unknown_reward_or_too_few_bars_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="reward should be one of"):
        reward_table(_bars(), COSTS, bars_per_year=365, reward="hope")
    with pytest.raises(NotEnoughBars):
        reward_table(_bars()[:2], COSTS, bars_per_year=365)
