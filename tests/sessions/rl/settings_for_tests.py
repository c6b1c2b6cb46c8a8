"""Small markets and trainings that end in a second."""

from dataclasses import replace

import numpy as np

from sessions.rl.environment import MarketData
from sessions.rl.hyperparameters import Hyperparameters, default_hyperparameters
from tests.markets import HOUR_US, START_US, autoregressive_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.bars import Bars
from trainingday.policy.network import PolicyNetwork
from trainingday.policy.observation import compute_features

ALGORITHMS = ("ppo", "dqn", "a2c", "policy_gradient")
BARS_PER_YEAR = 8760.0
FREE = Costs(0.0, 0.0)
SHORT = {"ppo": 49_152, "dqn": 20_000, "a2c": 40_960, "policy_gradient": 327_680}


def short(algorithm: str, **changes: object) -> Hyperparameters:
    """Return an algorithm's defaults with few steps."""
    return replace(default_hyperparameters(algorithm), **{"n_steps": SHORT[algorithm], **changes})


def easy_bars(seed: int, n_bars: int = 3000) -> Bars:
    """Return a market whose next move mostly repeats the last."""
    return autoregressive_bars(n_bars, seed, phi=0.8)


def gappy_bars(seed: int, n_bars: int = 600, sigma: float = 0.02) -> Bars:
    """Return a market that opens away from the close before."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(sigma * rng.standard_normal(n_bars)))
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(0.5 * sigma * rng.standard_normal(n_bars))
    high, low = np.maximum(open_, close) * 1.001, np.minimum(open_, close) * 0.999
    stamps = START_US + HOUR_US * np.arange(n_bars, dtype=np.int64)
    return Bars.create(stamps, open_, high, low, close)


def market_of(bars: Bars, costs: Costs = FREE, **options: object) -> MarketData:
    """Return the environments' data of bars."""
    return MarketData.create(compute_features(bars), bars, costs, bars_per_year=BARS_PER_YEAR, **options)


def sharpe(bars: Bars, network: PolicyNetwork, costs: Costs = FREE) -> float | None:
    """Return the network's Sharpe ratio on bars."""
    positions = network.positions(compute_features(bars))
    return run_backtest(bars, positions, costs, bars_per_year=BARS_PER_YEAR).metrics.sharpe_ratio
