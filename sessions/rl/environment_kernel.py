"""The trading environment's step for all environments in one compiled call."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trainingday.backtest.kernels import fill_nb
from trainingday.policy.network import FLAT, N_POSITIONS
from trainingday.typing import BoolArray, Float32Array, FloatArray, IntArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S30, S27, S31, S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


class World(NamedTuple):
    """What `step_nb` reads and writes between its actions and its observations, in its order."""

    features: Float32Array
    reward_table: Float32Array
    open: FloatArray
    close: FloatArray
    fee: float
    slippage: float
    episode_length: int
    random_position: bool
    random: NDArray[np.uint64]
    bar: IntArray
    held: IntArray
    left: IntArray
    ledger: FloatArray
    growth: FloatArray
    rewards: Float32Array
    dones: BoolArray


@njit(cache=True, nogil=True)
def uniform_nb(random: NDArray[np.uint64], env: int) -> float:
    """Return a uniform number in [0, 1): SplitMix64 (Steele et al. 2014), one stream per environment."""
    random[env] = random[env] + GOLDEN
    z = random[env]
    z = (z ^ (z >> S30)) * MIX_1
    z = (z ^ (z >> S27)) * MIX_2
    z = z ^ (z >> S31)
    return float((z >> S11) * (1.0 / 9007199254740992.0))


@njit(cache=True, nogil=True)
def _below_nb(random: NDArray[np.uint64], env: int, bound: int) -> int:
    """Return a uniform integer in [0, bound)."""
    return int(uniform_nb(random, env) * bound)


@njit(cache=True, nogil=True)
def reset_nb(
    env: int,
    n_bars: int,
    episode_length: int,
    is_first: bool,
    random_position: bool,
    random: NDArray[np.uint64],
    bar: IntArray,
    held: IntArray,
    left: IntArray,
    ledger: FloatArray,
    close: FloatArray,
) -> None:
    """Start an episode of one environment at a random bar; a first one has a random length (staggered)."""
    length = min(episode_length, n_bars - 1)
    bar[env] = _below_nb(random, env, n_bars - length)
    left[env] = 1 + _below_nb(random, env, length) if is_first else length
    held[env] = _below_nb(random, env, N_POSITIONS) if random_position else FLAT
    units = (held[env] - 1.0) / close[bar[env]]
    ledger[env, 0], ledger[env, 1], ledger[env, 2] = 1.0 - units * close[bar[env]], units, 1.0


@njit(cache=True, nogil=True)
def observe_nb(features: Float32Array, bar: IntArray, held: IntArray, out: Float32Array) -> None:
    """Fill observations of shape (n_envs, n_features + 3): features, then the one-hot held position."""
    n_features = features.shape[1]
    for env in range(bar.shape[0]):
        row = bar[env]
        for column in range(n_features):
            out[env, column] = features[row, column]
        for position in range(N_POSITIONS):
            out[env, n_features + position] = np.float32(1.0 if held[env] == position else 0.0)


@njit(cache=True, nogil=True)
def step_nb(
    actions: IntArray,
    features: Float32Array,
    reward_table: Float32Array,
    open_: FloatArray,
    close: FloatArray,
    fee: float,
    slippage: float,
    episode_length: int,
    random_position: bool,
    random: NDArray[np.uint64],
    bar: IntArray,
    held: IntArray,
    left: IntArray,
    ledger: FloatArray,
    growth: FloatArray,
    rewards: Float32Array,
    dones: BoolArray,
    observations: Float32Array,
    terminal: Float32Array,
) -> int:
    """Advance every environment by one bar; return how many episodes ended.

    `ledger` of shape (n_envs, 3) holds cash, units and equity at the close; `growth` receives the
    engine's return of the bar. A finished environment is reset, its last observation kept in `terminal`.
    """
    n_features, n_ended = features.shape[1], 0
    for env in range(bar.shape[0]):
        now, action = bar[env], actions[env]
        rewards[env] = reward_table[now, held[env], action]
        equity = ledger[env, 2]
        if action != held[env] and equity > 0.0:
            ledger[env, 0], ledger[env, 1], _, _ = fill_nb(
                ledger[env, 0], ledger[env, 1], open_[now + 1], action - 1.0, fee, slippage
            )
        after = max(ledger[env, 0] + ledger[env, 1] * close[now + 1], 0.0) if equity > 0.0 else 0.0
        ledger[env, 2] = after
        growth[env] = after / equity - 1.0 if equity > 0.0 else 0.0
        bar[env], held[env] = now + 1, action
        left[env] -= 1
        dones[env] = left[env] <= 0
        if dones[env]:
            for column in range(n_features):
                terminal[n_ended, column] = features[now + 1, column]
            for position in range(N_POSITIONS):
                terminal[n_ended, n_features + position] = np.float32(1.0 if action == position else 0.0)
            n_ended += 1
            reset_nb(
                env,
                close.shape[0],
                episode_length,
                False,
                random_position,
                random,
                bar,
                held,
                left,
                ledger,
                close,
            )
    observe_nb(features, bar, held, observations)
    return n_ended


@njit(cache=True, nogil=True)
def advance_nb(actions: IntArray, world: World, observations: Float32Array, terminal: Float32Array) -> int:
    """Call `step_nb` from compiled code, which cannot unpack the world between other arguments."""
    return step_nb(
        actions,
        world.features,
        world.reward_table,
        world.open,
        world.close,
        world.fee,
        world.slippage,
        world.episode_length,
        world.random_position,
        world.random,
        world.bar,
        world.held,
        world.left,
        world.ledger,
        world.growth,
        world.rewards,
        world.dones,
        observations,
        terminal,
    )
