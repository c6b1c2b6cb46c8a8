"""Measure reinforcement learning against gym-anytrading under Stable-Baselines3, and against SB3's own update.

Run: GYM_ANYTRADING_PYTHON=PATH python -m bench.bench_rl_speed [--rounds 5]

gym-anytrading is no dependency. Give the Python of an environment that has it (and our Stable-Baselines3)
in GYM_ANYTRADING_PYTHON and its rows are measured in the same run, alternating with ours; without it only
our own times are printed. CPU seconds per environment step, one thread, medians; compiling is not counted.

The peer has 8 environments (PPO), one (DQN), SB3's default networks and settings. Ours has the network and
settings of the row; "SB3's update" is the same environment under stock PPO or DQN.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from stable_baselines3 import DQN, PPO
from torch import nn

from sessions.rl import sb3_algorithms
from sessions.rl.dqn import CompiledDQN
from sessions.rl.environment import MarketData, TradingVecEnv
from sessions.rl.hyperparameters import default_hyperparameters
from sessions.rl.ppo import CompiledPPO
from tests.markets import PLANTED, planted_bars
from trainingday.backtest.engine import Costs
from trainingday.bars import Bars
from trainingday.policy.observation import compute_features

ASKED = "GYM_ANYTRADING_PYTHON"
PEER = Path(__file__).with_name("peer_gym_anytrading.py")
N_BARS = 100_000
SAME_PPO = {"n_steps": 512, "batch_size": 64, "n_epochs": 10}
LARGE_PPO = {"n_steps": 64, "batch_size": 8_192, "n_epochs": 4}
LARGE_DQN = {"batch_size": 1_024, "gradient_steps": 2, "buffer_size": 200_000}

Work = Callable[[], int]


class Peer:
    """gym-anytrading in its own process."""

    def __init__(self, python: str, close: np.ndarray) -> None:
        self.folder = tempfile.TemporaryDirectory()
        prices = Path(self.folder.name) / "prices.npy"
        np.save(prices, close)
        self.process = subprocess.Popen(
            [python, str(PEER), str(prices)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def seconds(self, measure: str) -> float:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(measure + "\n")
        self.process.stdin.flush()
        return float(json.loads(self.process.stdout.readline())["seconds"])

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()


def stepping(data: MarketData, n_envs: int) -> Work:
    env = TradingVecEnv(data, n_envs, seed=1)
    env.reset()
    actions = np.random.default_rng(2).integers(0, 3, (400_000 // n_envs, n_envs))

    def steps() -> int:
        for row in actions:
            env.step(row)
        return actions.size

    return steps


def learning(
    data: MarketData, kind: type[Any], n_envs: int, n_bars: int, arch: tuple[int, ...], **settings: object
) -> Work:
    """Return work that goes on learning for `n_bars`."""
    env = TradingVecEnv(data, n_envs, seed=1)
    policy = {"net_arch": list(arch), "activation_fn": nn.Tanh}
    model = kind("MlpPolicy", env, policy_kwargs=policy, device="cpu", seed=1, **settings)

    def learn() -> int:
        before = model.num_timesteps
        model.learn(n_bars, log_interval=1_000_000, reset_num_timesteps=before == 0)
        return int(model.num_timesteps - before)

    return learn


def deciding(data: MarketData) -> Work:
    """Return work that walks a PPO policy of the product over all bars."""
    model = sb3_algorithms.build(data, default_hyperparameters("ppo"), 1)
    network = sb3_algorithms.extract(model, "standard")

    def decide() -> int:
        return int(network.positions(data.features).shape[0])

    return decide


def rows(bars: Bars, data: MarketData) -> list[tuple[str, str | None, Work]]:
    """Return label, the peer's measurement where it has one, and our work."""

    def ppo(kind: type[PPO], n_envs: int, n_bars: int, width: int, settings: dict[str, int]) -> Work:
        return learning(data, kind, n_envs, n_bars, (width, width), **settings)

    def dqn(kind: type[DQN], n_envs: int, n_bars: int, width: int, **settings: object) -> Work:
        return learning(data, kind, n_envs, n_bars, (width, width), **settings)

    small, large = (8, 8_192), (1_024, 131_072)
    return [
        ("features, a bar", None, lambda: int(compute_features(bars).shape[0])),
        *((f"environment, {n} at once", "environment", stepping(data, n)) for n in (8, 64, 256, 1_024)),
        ("PPO as the peer's, 64 x 64", "ppo", ppo(CompiledPPO, *small, 64, SAME_PPO)),
        ("PPO as the peer's, 32 x 32", "ppo", ppo(CompiledPPO, *small, 32, SAME_PPO)),
        ("  SB3's update", "ppo", ppo(PPO, *small, 32, SAME_PPO)),
        ("PPO 1,024 envs, 64 x 64", "ppo", ppo(CompiledPPO, *large, 64, LARGE_PPO)),
        ("PPO 1,024 envs, 32 x 32", "ppo", ppo(CompiledPPO, *large, 32, LARGE_PPO)),
        ("  SB3's update", "ppo", ppo(PPO, *large, 32, LARGE_PPO)),
        ("DQN as the peer's, 64 x 64", "dqn", dqn(CompiledDQN, 1, 8_000, 64)),
        ("  SB3's update", "dqn", dqn(DQN, 1, 8_000, 64)),
        ("DQN 64 envs, 32 x 32", "dqn", dqn(CompiledDQN, 64, 65_536, 32, **LARGE_DQN)),
        ("  SB3's update", "dqn", dqn(DQN, 64, 65_536, 32, **LARGE_DQN)),
        ("policy over 100,000 bars", "evaluation", deciding(data)),
    ]


def measured(work: Work) -> float:
    began = process_time()
    n_steps = work()
    return (process_time() - began) / n_steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bars = planted_bars("mixture_hourly", N_BARS, 1)
    year = PLANTED["mixture_hourly"][0]
    data = MarketData.create(compute_features(bars), bars, Costs(0.0005, 0.0), bars_per_year=year)
    python = os.environ.get(ASKED)
    peer = Peer(python, bars.close[:20_000]) if python else None
    if peer is None:
        print(f"gym-anytrading is not measured: {ASKED} names no Python that has it")
    print(f"{'work':28s} {'us a step':>10s} {'steps/s':>12s} {'peer us':>9s} {'ratio':>8s}  (lowest)")
    peers: dict[str, list[float]] = {}
    for label, measure, work in rows(bars, data):
        work()  # compiles, and fills a replay buffer
        ours, theirs = [], peers.setdefault(measure or "", [])
        for round_ in range(options.rounds):
            if peer and measure and len(theirs) <= round_:
                theirs.append(peer.seconds(measure))
            ours.append(measured(work))
        mine = statistics.median(ours)
        line = f"{label:28s} {mine * 1e6:10.3f} {1 / mine:12,.0f}"
        if theirs:
            other = statistics.median(theirs)
            line += f" {other * 1e6:9.1f} {other / mine:8.1f}  ({min(theirs) / max(ours):.1f})"
        print(line, flush=True)
    if peer:
        peer.close()


if __name__ == "__main__":
    main()
