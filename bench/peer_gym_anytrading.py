"""gym-anytrading under Stable-Baselines3, measured in its own environment; prints one JSON line a request.

Started by bench.bench_rl_speed with the Python of an environment that has gym-anytrading (no dependency)
and the Stable-Baselines3 that we use; each line of input names a measurement, each line of output is its
CPU seconds per environment step.
"""

from __future__ import annotations

import json
import sys
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import torch
from gym_anytrading.envs import StocksEnv
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv

WINDOW = 10
ON_POLICY = {"n_steps": 512, "batch_size": 64, "n_epochs": 10}


def environments(prices: np.ndarray, n_envs: int) -> DummyVecEnv:
    """Return environments over the prices, each an episode of all bars."""
    frame = pd.DataFrame({"Open": prices, "High": prices, "Low": prices, "Close": prices})

    def make() -> StocksEnv:
        return StocksEnv(df=frame, window_size=WINDOW, frame_bound=(WINDOW, len(frame)))

    return DummyVecEnv([make] * n_envs)


def steps_alone(prices: np.ndarray) -> float:
    env, n_steps = environments(prices, 8), 1_000
    actions = np.random.default_rng(1).integers(0, 2, (n_steps, 8))
    env.reset()
    began = process_time()
    for row in actions:
        env.step(row)
    return (process_time() - began) / actions.size


def learning(model: Any, n_steps: int) -> float:
    model.learn(n_steps)
    began = process_time()
    model.learn(n_steps, reset_num_timesteps=False)
    return (process_time() - began) / n_steps


def ppo(prices: np.ndarray) -> float:
    model = PPO("MlpPolicy", environments(prices, 8), device="cpu", seed=1, **ON_POLICY)
    return learning(model, 4_096)


def dqn(prices: np.ndarray) -> float:
    return learning(DQN("MlpPolicy", environments(prices, 1), device="cpu", seed=1), 2_000)


def evaluation(prices: np.ndarray) -> float:
    """Return seconds per bar of SB3's own walk of a policy, whose cost does not depend on its weights."""
    env = environments(prices[:2_000], 1)
    model = PPO("MlpPolicy", env, device="cpu", seed=1)
    began = process_time()
    evaluate_policy(model, env, n_eval_episodes=1, warn=False)
    return (process_time() - began) / 2_000


def main() -> None:
    torch.set_num_threads(1)
    prices = np.load(sys.argv[1])
    measures = {"environment": steps_alone, "ppo": ppo, "dqn": dqn, "evaluation": evaluation}
    for line in sys.stdin:
        print(json.dumps({"seconds": measures[line.strip()](prices)}), flush=True)


if __name__ == "__main__":
    main()
