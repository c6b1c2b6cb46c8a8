"""DQN's steps and its update, each in one compiled call."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sessions.rl.environment_kernel import World, advance_nb, uniform_nb
from sessions.rl.perceptron_kernel import (
    BLOCK,
    Adam,
    adam_nb,
    backward_nb,
    columns_nb,
    forward_nb,
    load_nb,
    width_nb,
    work_nb,
)
from sessions.rl.prefetch_kernel import prefetch
from trainingday.policy.network import N_POSITIONS
from trainingday.typing import Float32Array, FloatArray, IntArray

_BEST = -1  # an action that is still to be chosen by value


class Replay(NamedTuple):
    """The arrays of SB3's replay buffer, each of shape (buffer_size, n_envs, ...)."""

    observations: Float32Array
    next_observations: Float32Array
    actions: IntArray
    rewards: Float32Array
    dones: Float32Array
    timeouts: Float32Array


@njit(cache=True, nogil=True)
def best_nb(layers: Float32Array, at: int, n_columns: int, column: int) -> int:
    """Return the position of the largest of a sample's three values, the first of equal ones."""
    best = 0
    for position in range(1, N_POSITIONS):
        if layers[at + position * n_columns + column] > layers[at + best * n_columns + column]:
            best = position
    return best


@njit(cache=True, nogil=True)
def _act_nb(
    parameters: Float32Array,
    shapes: IntArray,
    random: NDArray[np.uint64],
    exploration: float,
    observations: Float32Array,
    layers: Float32Array,
    actions: IntArray,
) -> None:
    """Choose every environment's action: uniform with probability `exploration`, else the best by value."""
    for first in range(0, observations.shape[0], BLOCK):
        rows, n_best = observations[first : first + BLOCK], 0
        for env in range(first, first + rows.shape[0]):
            if uniform_nb(random, env) < exploration:
                actions[env] = int(uniform_nb(random, env) * N_POSITIONS)
            else:
                actions[env] = _BEST
                n_best += 1
        if n_best:
            n_columns = columns_nb(rows.shape[0])
            load_nb(rows, n_columns, layers)
            at = forward_nb(parameters, shapes, layers, n_columns)
            for column in range(rows.shape[0]):
                if actions[first + column] == _BEST:
                    actions[first + column] = best_nb(layers, at, n_columns, column)


@njit(cache=True, nogil=True)
def collect_nb(
    parameters: Float32Array,
    shapes: IntArray,
    world: World,
    random: NDArray[np.uint64],
    explorations: FloatArray,
    observations: Float32Array,
    replay: Replay,
    row: int,
) -> int:
    """Step every environment, storing a row of transitions a step; return the episodes ended.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,), float32
    shapes : ndarray of shape (n_layers, 4), int64
        See `forward_nb`.
    world : World
        Moved on by n_steps bars.
    random : ndarray of shape (n_envs,), uint64
        One stream of draws per environment.
    explorations : ndarray of shape (n_steps,), float64
        Each step's probability of a uniform action.
    observations : ndarray of shape (n_envs, n_inputs), float32
        Given, and replaced by what follows the last step.
    replay : Replay
    row : int
        Where the first step is stored; the first row follows the last.
    """
    n_envs, n_ended = observations.shape[0], 0
    layers = work_nb(width_nb(shapes), n_envs)
    actions, terminal = np.empty(n_envs, dtype=np.int64), np.empty_like(observations)
    for step in range(explorations.shape[0]):
        _act_nb(parameters, shapes, random, explorations[step], observations, layers, actions)
        replay.observations[row] = observations
        n_ended += advance_nb(actions, world, observations, terminal)
        replay.next_observations[row] = observations
        rank = 0
        for env in range(n_envs):
            replay.actions[row, env, 0], replay.rewards[row, env] = actions[env], world.rewards[env]
            ended = np.float32(1.0 if world.dones[env] else 0.0)
            replay.dones[row, env], replay.timeouts[row, env] = ended, ended
            if world.dones[env]:
                replay.next_observations[row, env] = terminal[rank]
                rank += 1
        row = row + 1 if row + 1 < replay.rewards.shape[0] else 0
    return n_ended


@njit(cache=True, nogil=True)
def _ask_nb(replay: Replay, rows: IntArray, envs: IntArray) -> None:
    """Ask memory for transitions that are read later; a replay buffer does not fit the cache."""
    _, n_envs, n_inputs = replay.observations.shape
    for index in range(rows.shape[0]):
        place = rows[index] * n_envs + envs[index]
        for source in (0, n_inputs - 1):
            prefetch(replay.observations, place * n_inputs + source)
            prefetch(replay.next_observations, place * n_inputs + source)
        prefetch(replay.actions, place)
        prefetch(replay.rewards, place)
        prefetch(replay.dones, place)
        prefetch(replay.timeouts, place)


@njit(cache=True, nogil=True)
def _fill_nb(source: Float32Array, rows: IntArray, envs: IntArray, n_columns: int, out: Float32Array) -> None:
    """Copy drawn observations into a block."""
    for column in range(rows.shape[0]):
        for index in range(source.shape[2]):
            out[index * n_columns + column] = source[rows[column], envs[column], index]


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
    _ask_nb(replay, rows[:BLOCK], envs[:BLOCK])
    for first in range(0, n_batch, BLOCK):
        these, theirs = rows[first : first + BLOCK], envs[first : first + BLOCK]
        n_block = these.shape[0]
        n_columns = columns_nb(n_block)
        _ask_nb(replay, rows[first + BLOCK : first + 2 * BLOCK], envs[first + BLOCK : first + 2 * BLOCK])
        _fill_nb(replay.next_observations, these, theirs, n_columns, layers)
        at = forward_nb(target, shapes, layers, n_columns)
        for column in range(n_block):
            row, env = these[column], theirs[column]
            value = layers[at + best_nb(layers, at, n_columns, column) * n_columns + column]
            ended = replay.dones[row, env] * (1.0 - replay.timeouts[row, env])
            goals[column] = replay.rewards[row, env] + (1.0 - ended) * gamma * value
        _fill_nb(replay.observations, these, theirs, n_columns, layers)
        forward_nb(adam.parameters, shapes, layers, n_columns)
        deltas[at:] = np.float32(0.0)
        for column in range(n_block):
            place = at + replay.actions[these[column], theirs[column], 0] * n_columns + column
            error = float(layers[place]) - goals[column]
            is_small = abs(error) < 1.0
            loss += (0.5 * error * error if is_small else abs(error) - 0.5) / n_batch
            deltas[place] = (error if is_small else np.sign(error)) / n_batch
        backward_nb(adam.parameters, shapes, layers, deltas, n_columns, adam.gradient)
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
    total, n_batch = 0.0, rows.shape[1]
    layers, deltas = work_nb(width_nb(shapes), n_batch), work_nb(width_nb(shapes), n_batch)
    for step in range(rows.shape[0]):
        total += _gradient_nb(adam, target, shapes, replay, rows[step], envs[step], gamma, layers, deltas)
        adam_nb(adam, n_steps_before + step + 1)
    return float(total / rows.shape[0])
