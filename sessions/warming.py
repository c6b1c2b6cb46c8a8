"""Compiles what a session needs, by using it on a few bars."""

from __future__ import annotations

import numpy as np

from patterns.discovery.mining import mine
from patterns.discovery.options import Segments
from trainingday.backtest.warm import warm as warm_backtest
from trainingday.bars import Bars


def warm() -> None:
    """Run each kernel once on a made-up market; numba keeps the machine code on disk."""
    from sessions.rl.hyperparameters import ALGORITHMS, Hyperparameters
    from sessions.rl.training import train
    from trainingday.backtest.engine import Costs
    from trainingday.policy.ensemble import PolicyEnsemble
    from trainingday.policy.observation import compute_features

    warm_backtest()
    bars = _bars(3000)
    mine(bars, Segments(slice(0, 2000), slice(2000, 3000)))
    for algorithm in ALGORITHMS:
        hyperparameters = Hyperparameters.from_dict(
            {"algorithm": algorithm, "n_steps": 4096, "episode_length": 64, "net_arch": [4]}
        )
        features = compute_features(bars, hyperparameters.observation)
        trained = train(features, bars, hyperparameters, 1, costs=Costs(), bars_per_year=8760.0)
        PolicyEnsemble((trained.network,)).positions_on(bars)


def _bars(n_bars: int) -> Bars:
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(n_bars)))
    open_ = np.concatenate(([100.0], close[:-1]))
    stamps = 3_600_000_000 * np.arange(1, n_bars + 1, dtype=np.int64)
    return Bars.create(
        stamps, open_, np.maximum(open_, close), np.minimum(open_, close), close, rng.random(n_bars)
    )
