"""The trading environment's step for all environments in one compiled call."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sessions.rl.prefetch_kernel import prefetch
from trainingday.backtest.kernels import fill_nb
from trainingday.policy.network import FLAT, N_POSITIONS
from trainingday.typing import BoolArray, Float32Array, FloatArray, IntArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
S30, S27, S31, S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


OPEN, CLOSE = 0, 1  # columns of prices
BAR, HELD, LEFT = 0, 1, 2  # rows of the state
CASH, UNITS, EQUITY, GROWTH = 0, 1, 2, 3  # columns of the ledger


class World(NamedTuple):
    """What `step_nb` reads and writes between its actions and its observations, in its order.

    Few arrays, because Python hands each of them over at every step.
    """

    features: Float32Array
    reward_table: Float32Array
    prices: FloatArray
    fee: float
    slippage: float
    episode_length: int
    random_position: bool
    random: NDArray[np.uint64]
    state: IntArray
    ledger: FloatArray
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
    prices: FloatArray,
    episode_length: int,
    is_first: bool,
    random_position: bool,
    random: NDArray[np.uint64],
    state: IntArray,
    ledger: FloatArray,
) -> None:
    """Start an episode of one environment at a random bar; a first one has a random length (staggered)."""
    n_bars = prices.shape[0]
    length = min(episode_length, n_bars - 1)
    bar = _below_nb(random, env, n_bars - length)
    state[LEFT, env] = 1 + _below_nb(random, env, length) if is_first else length
    held = _below_nb(random, env, N_POSITIONS) if random_position else FLAT
    state[BAR, env], state[HELD, env] = bar, held
    units = (held - 1.0) / prices[bar, CLOSE]
    ledger[env, CASH] = 1.0 - units * prices[bar, CLOSE]
    ledger[env, UNITS], ledger[env, EQUITY] = units, 1.0


@njit(cache=True, nogil=True)
def observe_nb(features: Float32Array, state: IntArray, out: Float32Array) -> None:
    """Fill observations of shape (n_envs, n_features + 3): features, then the one-hot held position."""
    n_features = features.shape[1]
    for env in range(out.shape[0]):
        row, held = state[BAR, env], state[HELD, env]
        for column in range(n_features):
            out[env, column] = features[row, column]
        for position in range(N_POSITIONS):
            out[env, n_features + position] = np.float32(1.0 if held == position else 0.0)


@njit(cache=True, nogil=True)
def _ask_nb(features: Float32Array, reward_table: Float32Array, prices: FloatArray, bar: int) -> None:
    """Ask memory for what the step after the next reads: the environments' bars are scattered."""
    prefetch(features, (bar + 2) * features.shape[1] - 1)
    prefetch(reward_table, (bar + 1) * N_POSITIONS * N_POSITIONS - 1)
    prefetch(prices, (bar + 2) * 2 - 1)


@njit(cache=True, nogil=True)
def step_nb(
    actions: IntArray,
    features: Float32Array,
    reward_table: Float32Array,
    prices: FloatArray,
    fee: float,
    slippage: float,
    episode_length: int,
    random_position: bool,
    random: NDArray[np.uint64],
    state: IntArray,
    ledger: FloatArray,
    rewards: Float32Array,
    dones: BoolArray,
    observations: Float32Array,
    terminal: Float32Array,
) -> int:
    """Advance every environment by one bar; return how many episodes ended.

    `prices` of shape (n_bars, 2) holds open and close, `state` of shape (3, n_envs) the bar, the held
    position's index and the steps left, `ledger` of shape (n_envs, 4) cash, units and equity at the close
    and the engine's return of the bar. A finished environment is reset, its last observation kept in
    `terminal`.
    """
    n_features, n_ended = features.shape[1], 0
    for env in range(actions.shape[0]):
        now, held, action = state[BAR, env], state[HELD, env], actions[env]
        rewards[env] = reward_table[now, held, action]
        equity = ledger[env, EQUITY]
        if action != held and equity > 0.0:
            ledger[env, CASH], ledger[env, UNITS], _, _ = fill_nb(
                ledger[env, CASH],
                ledger[env, UNITS],
                prices[now + 1, OPEN],
                action - 1.0,
                fee,
                slippage,
            )
        value = ledger[env, CASH] + ledger[env, UNITS] * prices[now + 1, CLOSE]
        after = max(value, 0.0) if equity > 0.0 else 0.0
        ledger[env, EQUITY] = after
        ledger[env, GROWTH] = after / equity - 1.0 if equity > 0.0 else 0.0
        state[BAR, env], state[HELD, env] = now + 1, action
        state[LEFT, env] -= 1
        dones[env] = state[LEFT, env] <= 0
        if dones[env]:
            for column in range(n_features):
                terminal[n_ended, column] = features[now + 1, column]
            for position in range(N_POSITIONS):
                terminal[n_ended, n_features + position] = np.float32(1.0 if action == position else 0.0)
            n_ended += 1
            reset_nb(env, prices, episode_length, False, random_position, random, state, ledger)
        _ask_nb(features, reward_table, prices, state[BAR, env])
    observe_nb(features, state, observations)
    return n_ended


@njit(cache=True, nogil=True)
def advance_nb(actions: IntArray, world: World, observations: Float32Array, terminal: Float32Array) -> int:
    """Call `step_nb` from compiled code, which cannot unpack the world between other arguments."""
    return step_nb(
        actions,
        world.features,
        world.reward_table,
        world.prices,
        world.fee,
        world.slippage,
        world.episode_length,
        world.random_position,
        world.random,
        world.state,
        world.ledger,
        world.rewards,
        world.dones,
        observations,
        terminal,
    )
