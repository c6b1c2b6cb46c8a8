"""The environment: gymnasium's contract, the engine's accounting, episodes and rewards."""

import gymnasium.utils.env_checker
import numpy as np
import pytest
import stable_baselines3.common.env_checker
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.rl.environment import MarketData, TradingEnv, TradingVecEnv
from sessions.rl.rewards import REWARDS
from tests.markets import gaussian_bars
from tests.sessions.rl.settings_for_tests import BARS_PER_YEAR, gappy_bars, market_of
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.exceptions import InvalidArgument, NotEnoughBars
from trainingday.policy.observation import compute_features

COSTS = Costs(0.001, 0.0005)


@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.filterwarnings("ignore:.*alternative render modes.*")
def test_the_single_view_passes_check_env(reward: str) -> None:
    env = TradingEnv(market_of(gaussian_bars(900, 1), COSTS, reward=reward))
    gymnasium.utils.env_checker.check_env(env)
    stable_baselines3.common.env_checker.check_env(env)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    fee=st.sampled_from([0.0, 0.001, 0.02]),
    slippage=st.sampled_from([0.0, 0.0005, 0.01]),
    stay=st.floats(0.0, 0.95),
)
def test_its_returns_are_the_engines(seed: int, fee: float, slippage: float, stay: float) -> None:
    bars, costs = gappy_bars(seed, 200), Costs(fee, slippage)
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 3, len(bars))
    for bar in range(1, len(bars)):
        actions[bar] = actions[bar - 1] if rng.random() < stay else actions[bar]
    env = TradingVecEnv(market_of(bars, costs), 1, episode_length=len(bars))
    env.place(np.array([0]), np.array([1]), len(bars))
    returns, equity = [], []
    for bar in range(len(bars) - 1):
        env.step(actions[bar : bar + 1])
        returns.append(env.returns[0])
        equity.append(env.equity[0])
    result = run_backtest(bars, actions - 1.0, costs, bars_per_year=BARS_PER_YEAR)
    np.testing.assert_allclose(returns, result.returns, rtol=0, atol=1e-9)
    np.testing.assert_allclose(equity, result.equity[1:], rtol=1e-9)


def test_a_ruined_account_stays_at_zero_as_the_engines_does() -> None:
    bars = gappy_bars(3, 60)
    close = bars.close.copy()
    close[20:] *= 4.0  # a short position loses more than all
    open_ = bars.open.copy()
    open_[21:] *= 4.0
    crash = type(bars).create(
        bars.timestamps, open_, np.maximum(open_, close), np.minimum(open_, close), close
    )
    env = TradingVecEnv(market_of(crash), 1, episode_length=60)
    env.place(np.array([0]), np.array([1]), 60)
    equity = [env.step(np.array([0])) and env.equity[0] for _ in range(59)]
    result = run_backtest(crash, np.full(60, -1.0), Costs(0, 0), bars_per_year=BARS_PER_YEAR)
    assert result.ruined_at == 20
    np.testing.assert_allclose(equity, result.equity[1:], atol=1e-12)


def test_the_reward_is_the_tables_and_the_observation_is_the_bars() -> None:
    bars = gappy_bars(4)
    market = market_of(bars, COSTS)
    env = TradingVecEnv(market, 3, episode_length=50)
    first = env.place(np.array([5, 90, 200]), np.array([0, 1, 2]), 50)
    np.testing.assert_array_equal(first[:, :-3], compute_features(bars)[[5, 90, 200]])
    np.testing.assert_array_equal(first[:, -3:], np.eye(3))
    observations, rewards, dones, _ = env.step(np.array([2, 0, 2]))
    expected = market.rewards[[5, 90, 200], [0, 1, 2], [2, 0, 2]]
    np.testing.assert_array_equal(rewards, expected)
    np.testing.assert_array_equal(observations[:, :-3], market.features[[6, 91, 201]])
    np.testing.assert_array_equal(observations[:, -3:], np.eye(3)[[2, 0, 2]])
    assert not dones.any()


def test_episodes_are_truncated_staggered_and_start_anywhere() -> None:
    env = TradingVecEnv(market_of(gaussian_bars(2000, 5)), 64, seed=6, episode_length=100)
    env.reset()
    starts, held = env.bars.copy(), set(env.held.tolist())
    assert len(np.unique(starts)) > 50
    assert held == {0, 1, 2}
    ends = []
    for _ in range(250):
        before = env.bars.copy()
        observations, _, dones, infos = env.step(np.full(64, 2))
        ends.append(int(dones.sum()))
        for index in np.flatnonzero(dones):
            assert infos[index]["TimeLimit.truncated"]
            expected = env.market.features[before[index] + 1]
            np.testing.assert_array_equal(infos[index]["terminal_observation"][:-3], expected)
            np.testing.assert_array_equal(infos[index]["terminal_observation"][-3:], [0, 0, 1])
            np.testing.assert_array_equal(observations[index, :-3], env.market.features[env.bars[index]])
        assert all(not infos[index] for index in np.flatnonzero(~dones))
    assert 64 * 250 / 100 * 0.8 < sum(ends) < 64 * 250 / 100 * 1.2
    assert max(ends) <= 8  # never all at once
    assert env.bars.max() < 2000


def test_the_last_observation_survives_one_step() -> None:
    env = TradingVecEnv(market_of(gaussian_bars(500, 7)), 4, seed=1)
    before = env.reset()
    kept = before.copy()
    env.step(np.zeros(4, dtype=np.int64))
    np.testing.assert_array_equal(before, kept)


def test_an_episode_ends_with_the_market() -> None:
    market = market_of(gaussian_bars(40, 8))
    env = TradingEnv(market, episode_length=512)
    env.reset(seed=1, options={"bar": 30, "position": 1})
    steps = [env.step(np.int64(2)) for _ in range(9)]
    assert [step[3] for step in steps] == [False] * 8 + [True]
    assert not any(step[2] for step in steps)
    assert steps[-1][4]["equity"] == pytest.approx(market.close[39] / market.close[30])
    np.testing.assert_array_equal(steps[-1][0][:-3], market.features[39])


@pytest.mark.parametrize("n_envs", [1, 7, 64])
def test_the_same_seed_gives_the_same_episodes(n_envs: int) -> None:
    def run(seed: int) -> list[np.ndarray]:
        env = TradingVecEnv(market_of(gaussian_bars(600, 9)), n_envs, seed=seed, episode_length=30)
        actions = np.random.default_rng(0).integers(0, 3, (80, n_envs))
        return [env.reset().copy(), *(env.step(action)[0].copy() for action in actions)]

    np.testing.assert_array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))


def test_bad_arguments_are_refused() -> None:
    bars = gaussian_bars(300, 1)
    with pytest.raises(InvalidArgument, match="n_envs and episode_length"):
        TradingVecEnv(market_of(bars), 0)
    with pytest.raises(InvalidArgument, match="should have 300 rows"):
        MarketData.create(compute_features(bars)[1:], bars, COSTS, bars_per_year=BARS_PER_YEAR)
    broken = compute_features(bars)
    broken[7, 2] = np.nan
    with pytest.raises(InvalidArgument, match="features should be finite"):
        MarketData.create(broken, bars, COSTS, bars_per_year=BARS_PER_YEAR)
    with pytest.raises(NotEnoughBars):
        market_of(bars[:2])
    with pytest.raises(InvalidArgument, match="bar should be in"):
        TradingEnv(market_of(bars)).reset(options={"bar": 299})
