"""DQN's steps and its update, each in one compiled call."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sessions.rl.environment_kernel import World, advance_nb, uniform_nb
from sessions.rl.perceptron_kernel import Adam, adam_nb, backward_nb, forward_nb, load_nb, width_nb
from trainingday.policy.network import BLOCK, N_POSITIONS
from trainingday.typing import Float32Array, IntArray


class Replay(NamedTuple):
    """The arrays of SB3's replay buffer, each of shape (buffer_size, n_envs, ...)."""

    observations: Float32Array
    next_observations: Float32Array
    actions: IntArray
    rewards: Float32Array
    dones: Float32Array
    timeouts: Float32Array


@njit(cache=True, nogil=True)
def best_nb(layers: Float32Array, at: int, column: int) -> int:
    """Return the position of the largest of a sample's three values, the first of equal ones."""
    best = 0
    for position in range(1, N_POSITIONS):
        if layers[at + position * BLOCK + column] > layers[at + best * BLOCK + column]:
            best = position
    return best


@njit(cache=True, nogil=True)
def step_and_store_nb(
    parameters: Float32Array,
    shapes: IntArray,
    world: World,
    random: NDArray[np.uint64],
    exploration: float,
    observations: Float32Array,
    following: Float32Array,
    replay: Replay,
    row: int,
) -> int:
    """Step every environment by one bar and store the transitions in one row; return the episodes ended.

    With probability `exploration` an environment's action is uniform, else the best by value; each draws
    from its own stream. `observations` are given and `following` receives the next.
    """
    n_envs = observations.shape[0]
    layers = np.zeros(width_nb(shapes) * BLOCK, dtype=np.float32)
    actions, terminal = np.empty(n_envs, dtype=np.int64), np.empty_like(observations)
    for first in range(0, n_envs, BLOCK):
        n_block, at = min(BLOCK, n_envs - first), 0
        if exploration < 1.0:
            load_nb(observations, first, n_block, layers)
            at = forward_nb(parameters, shapes, layers)
        for column in range(n_block):
            env = first + column
            if uniform_nb(random, env) < exploration:
                actions[env] = int(uniform_nb(random, env) * N_POSITIONS)
            else:
                actions[env] = best_nb(layers, at, column)
    n_ended, rank = advance_nb(actions, world, following, terminal), 0
    replay.observations[row] = observations
    replay.next_observations[row] = following
    for env in range(n_envs):
        replay.actions[row, env, 0], replay.rewards[row, env] = actions[env], world.rewards[env]
        ended = np.float32(1.0 if world.dones[env] else 0.0)
        replay.dones[row, env], replay.timeouts[row, env] = ended, ended
        if world.dones[env]:
            replay.next_observations[row, env] = terminal[rank]
            rank += 1
    return n_ended


@njit(cache=True, nogil=True)
def _fill_nb(source: Float32Array, rows: IntArray, envs: IntArray, out: Float32Array) -> None:
    """Copy drawn observations into a block."""
    for column in range(rows.shape[0]):
        drawn = source[rows[column], envs[column]]
        for index in range(drawn.shape[0]):
            out[index * BLOCK + column] = drawn[index]


@njit(cache=True, nogil=True)
def _gradient_nb(
    adam: Adam,
    target: Float32Array,
    shapes: IntArray,
    replay: Replay,
    rows: IntArray,
    envs: IntArray,
    gamma: float,
    layers: Float32Array,
    deltas: Float32Array,
) -> float:
    """Fill the gradient of one minibatch's smooth L1 loss; return the loss."""
    n_batch, loss = rows.shape[0], 0.0
    adam.gradient[:] = np.float32(0.0)
    goals = np.empty(BLOCK)
    for first in range(0, n_batch, BLOCK):
        n_block = min(BLOCK, n_batch - first)
        these, theirs = rows[first : first + n_block], envs[first : first + n_block]
        _fill_nb(replay.next_observations, these, theirs, layers)
        at = forward_nb(target, shapes, layers)
        for column in range(n_block):
            row, env = these[column], theirs[column]
            value = layers[at + best_nb(layers, at, column) * BLOCK + column]
            ended = replay.dones[row, env] * (1.0 - replay.timeouts[row, env])
            goals[column] = replay.rewards[row, env] + (1.0 - ended) * gamma * value
        _fill_nb(replay.observations, these, theirs, layers)
        forward_nb(adam.parameters, shapes, layers)
        deltas[at:] = np.float32(0.0)
        for column in range(n_block):
            place = at + replay.actions[these[column], theirs[column], 0] * BLOCK + column
            error = float(layers[place]) - goals[column]
            is_small = abs(error) < 1.0
            loss += (0.5 * error * error if is_small else abs(error) - 0.5) / n_batch
            deltas[place] = (error if is_small else np.sign(error)) / n_batch
        backward_nb(adam.parameters, shapes, layers, deltas, adam.gradient)
    return loss


@njit(cache=True, nogil=True)
def update_nb(
    adam: Adam,
    n_steps_before: int,
    target: Float32Array,
    shapes: IntArray,
    replay: Replay,
    rows: IntArray,
    envs: IntArray,
    gamma: float,
) -> float:
    """Take one gradient step per row of draws, as `DQN.train` does; return the mean loss.

    Parameters
    ----------
    adam : Adam
        Of the network of action values.
    n_steps_before : int
        Adam's steps so far.
    target : ndarray of shape (n_parameters,), float32
        The target network's parameters.
    shapes : ndarray of shape (n_layers, 4), int64
        Of both networks.
    replay : Replay
    rows, envs : ndarray of shape (n_gradient_steps, batch_size), int64
        The transitions drawn for each step.
    gamma : float

    Notes
    -----
    Mnih et al. 2015, with SB3's smooth L1 loss. A truncated episode is bootstrapped, a terminated one not.
    """
    total, n_work = 0.0, width_nb(shapes) * BLOCK
    layers, deltas = np.zeros(n_work, dtype=np.float32), np.zeros(n_work, dtype=np.float32)
    for step in range(rows.shape[0]):
        total += _gradient_nb(adam, target, shapes, replay, rows[step], envs[step], gamma, layers, deltas)
        adam_nb(adam, n_steps_before + step + 1)
    return float(total / rows.shape[0])
