"""Exact policy gradient for an agent that does not move its market.

Derivation. Prices do not depend on the agent and its position has three values, so over a window of bars
the state is (bar, position) and everything is known: R[t, i, j], the reward of going from position i to j
at bar t. With P[t, i, j] the policy, occupancy d runs forward and values Q run backward,

    d[0] = uniform,  d[t+1, j] = sum_i d[t, i] P[t, i, j]
    V[T] = 0,  Q[t, i, j] = R[t, i, j] + gamma V[t+1, j],  V[t, i] = sum_j P[t, i, j] Q[t, i, j]

and the policy gradient theorem (Sutton et al. 2000) needs no sample and no critic: with softmax logits z,

    d objective / d z[t, i, j] = d[t, i] P[t, i, j] (Q[t, i, j] - V[t, i]).

Every position of every bar is learned from at once. Only the choice of windows is random.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from numba import njit
from torch import nn

from sessions.rl.environment import MarketData
from trainingday.policy.network import N_POSITIONS, Activation, PolicyKind, PolicyNetwork
from trainingday.typing import Float32Array

if TYPE_CHECKING:
    from sessions.rl.hyperparameters import Hyperparameters
    from sessions.rl.monitor import TrainingMonitor

N_WINDOWS = 64
WEIGHT_DECAY = 1e-2
MAX_GRADIENT_NORM = 0.5


@njit(cache=True, nogil=True)
def exact_gradient_nb(
    logits: Float32Array, rewards: Float32Array, gamma: float, ent_coef: float, out: Float32Array
) -> float:
    """Fill `out` with the objective's gradient in the logits; return the mean reward per bar.

    Parameters
    ----------
    logits, rewards, out : ndarray of shape (n_windows, n_bars, 3, 3), float32
        Axes: window, bar, held position, next position.
    gamma : float
        Discount of the values; with 1 the gradient is that of the mean over windows of the expected total
        reward from a uniform start, plus `ent_coef` times the entropy at each visited state.
    ent_coef : float

    Notes
    -----
    The gradient is divided by n_windows * n_bars, so that it is of one bar. The entropy term weights each
    state's entropy by its occupancy and leaves out its effect on later occupancy, as PPO's does.
    """
    n_windows, n_bars = logits.shape[0], logits.shape[1]
    scale, total = 1.0 / (n_windows * n_bars), 0.0
    policy = np.empty((n_bars, N_POSITIONS, N_POSITIONS))
    occupancy = np.empty((n_bars + 1, N_POSITIONS))
    for window in range(n_windows):
        occupancy[0, :] = 1.0 / N_POSITIONS
        for bar in range(n_bars):
            occupancy[bar + 1, :] = 0.0
            for held in range(N_POSITIONS):
                row = logits[window, bar, held]
                top = max(row[0], row[1], row[2])
                a, b, c = np.exp(row[0] - top), np.exp(row[1] - top), np.exp(row[2] - top)
                norm = a + b + c
                policy[bar, held, 0], policy[bar, held, 1], policy[bar, held, 2] = (
                    a / norm,
                    b / norm,
                    c / norm,
                )
                for following in range(N_POSITIONS):
                    share = occupancy[bar, held] * policy[bar, held, following]
                    occupancy[bar + 1, following] += share
                    total += share * rewards[window, bar, held, following]
        later = np.zeros(N_POSITIONS)
        for bar in range(n_bars - 1, -1, -1):
            value = np.zeros(N_POSITIONS)
            for held in range(N_POSITIONS):
                entropy = 0.0
                for following in range(N_POSITIONS):
                    share = policy[bar, held, following]
                    value[held] += share * (rewards[window, bar, held, following] + gamma * later[following])
                    entropy -= share * np.log(max(share, 1e-30))
                for following in range(N_POSITIONS):
                    share = policy[bar, held, following]
                    quality = rewards[window, bar, held, following] + gamma * later[following]
                    surprise = -np.log(max(share, 1e-30)) - entropy
                    pull = share * (quality - value[held] + ent_coef * surprise)
                    out[window, bar, held, following] = scale * occupancy[bar, held] * pull
            later[:] = value
    return float(total * scale)


def build_net(n_features: int, net_arch: tuple[int, ...]) -> nn.Sequential:
    """Return a tanh network from features to 3 x 3 logits, orthogonal, with a small last layer."""
    widths = (n_features, *net_arch, N_POSITIONS * N_POSITIONS)
    layers: list[nn.Module] = []
    for index, (n_in, n_out) in enumerate(pairwise(widths)):
        is_last = index == len(widths) - 2
        linear = nn.Linear(n_in, n_out)
        nn.init.orthogonal_(linear.weight, 0.01 if is_last else float(np.sqrt(2)))
        nn.init.zeros_(linear.bias)
        layers += [linear] if is_last else [linear, nn.Tanh()]
    return nn.Sequential(*layers)


def extract(net: nn.Sequential, observation: str) -> PolicyNetwork:
    """Return the network as plain arrays."""
    linears = [layer for layer in net if isinstance(layer, nn.Linear)]
    weights = tuple(np.ascontiguousarray(layer.weight.detach().numpy().T) for layer in linears)
    biases = tuple(layer.bias.detach().numpy().copy() for layer in linears)
    return PolicyNetwork(PolicyKind.TABLE, Activation.TANH, weights, biases, observation)


def learn(market: MarketData, hyperparameters: Hyperparameters, seed: int, monitor: TrainingMonitor) -> None:
    """Train by the exact gradient; the monitor keeps what is learned."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = build_net(market.features.shape[1], hyperparameters.net_arch)
    if monitor.start is not None:
        load_into(net, monitor.start)
    length = min(hyperparameters.episode_length, market.n_bars - 1)
    n_windows = max(1, round(N_WINDOWS * 128 / length))
    n_iterations = max(1, -(-hyperparameters.n_steps // (n_windows * length)))
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=hyperparameters.learning_rate, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=n_iterations)
    features = torch.from_numpy(market.features)
    gradient = np.empty((n_windows, length, N_POSITIONS, N_POSITIONS), dtype=np.float32)
    for iteration in range(n_iterations):
        starts = rng.integers(0, market.n_bars - length, n_windows)
        rows = (starts[:, None] + np.arange(length)[None, :]).ravel()
        logits = net(features[torch.from_numpy(rows)])
        shape = (n_windows, length, N_POSITIONS, N_POSITIONS)
        reward = exact_gradient_nb(
            logits.detach().numpy().reshape(shape),
            market.rewards[rows].reshape(shape),
            hyperparameters.gamma,
            hyperparameters.ent_coef,
            gradient,
        )
        monitor.check_loss(reward)
        optimiser.zero_grad()
        logits.backward(torch.from_numpy(-gradient.reshape(logits.shape)))
        nn.utils.clip_grad_norm_(net.parameters(), MAX_GRADIENT_NORM)
        optimiser.step()
        schedule.step()
        monitor.advance(
            (iteration + 1) * n_windows * length, lambda: extract(net, hyperparameters.observation)
        )


def load_into(net: nn.Sequential, start: PolicyNetwork) -> None:
    """Copy a network of the same shape, for a warm start."""
    linears = [layer for layer in net if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, weight, bias in zip(linears, start.weights, start.biases, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias))
