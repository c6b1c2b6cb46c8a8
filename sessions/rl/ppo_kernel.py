"""PPO's rollout and its whole update, each in one compiled call."""

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
from trainingday.policy.network import N_POSITIONS
from trainingday.typing import Float32Array, FloatArray, IntArray


class Rollout(NamedTuple):
    """The arrays of SB3's rollout buffer, each of shape (n_steps, n_envs, ...), float32."""

    observations: Float32Array
    actions: Float32Array
    rewards: Float32Array
    values: Float32Array
    log_probs: Float32Array
    advantages: Float32Array
    returns: Float32Array
    episode_starts: Float32Array


class Loss(NamedTuple):
    """PPO's settings of one update."""

    batch_size: int
    clip_range: float
    ent_coef: float
    vf_coef: float
    normalize_advantage: bool


class Work(NamedTuple):
    """A minibatch's samples, and room for one block of them."""

    places: IntArray
    advantages: FloatArray
    layers: Float32Array
    deltas: Float32Array


Logits = tuple[tuple[float, float, float], tuple[float, float, float]]


@njit(cache=True, nogil=True, error_model="numpy")
def logits_nb(layers: Float32Array, at: int, n_columns: int, column: int) -> Logits:
    """Return a sample's probabilities and their logarithms."""
    a = float(layers[at + column])
    b = float(layers[at + n_columns + column])
    c = float(layers[at + 2 * n_columns + column])
    top = max(a, b, c)
    p, q, r = np.exp(a - top), np.exp(b - top), np.exp(c - top)
    total = p + q + r
    norm = top + np.log(total)
    return (p / total, q / total, r / total), (a - norm, b - norm, c - norm)


@njit(cache=True, nogil=True)
def values_nb(
    parameters: Float32Array,
    shapes: IntArray,
    observations: Float32Array,
    layers: Float32Array,
    out: Float32Array,
) -> None:
    """Fill `out` with the critic's values of the observations."""
    n_rows = observations.shape[0]
    for first in range(0, n_rows, BLOCK):
        rows = observations[first : first + BLOCK]
        n_columns = columns_nb(rows.shape[0])
        load_nb(rows, n_columns, layers)
        at = forward_nb(parameters, shapes, layers, n_columns)
        out[first : first + rows.shape[0]] = layers[at : at + rows.shape[0]]


@njit(cache=True, nogil=True)
def _act_nb(
    parameters: Float32Array,
    shapes: IntArray,
    observations: Float32Array,
    random: NDArray[np.uint64],
    layers: Float32Array,
    actions: IntArray,
    log_probs: Float32Array,
) -> None:
    """Draw an action per environment, by its own stream, from the policy's probabilities."""
    for first in range(0, observations.shape[0], BLOCK):
        rows = observations[first : first + BLOCK]
        n_columns = columns_nb(rows.shape[0])
        load_nb(rows, n_columns, layers)
        at = forward_nb(parameters, shapes, layers, n_columns)
        for column in range(rows.shape[0]):
            env = first + column
            (short, flat, _), logs = logits_nb(layers, at, n_columns, column)
            draw = uniform_nb(random, env)
            action = int(draw >= short) + int(draw >= short + flat)
            actions[env], log_probs[env] = action, logs[action]


@njit(cache=True, nogil=True)
def collect_nb(
    parameters: Float32Array,
    policy: IntArray,
    value: IntArray,
    world: World,
    random: NDArray[np.uint64],
    gamma: float,
    rollout: Rollout,
    last_observations: Float32Array,
    last_values: Float32Array,
) -> None:
    """Fill the rollout's buffer, all but advantages and returns.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,), float32
    policy, value : ndarray of shape (n_layers, 4), int64
        See `forward_nb`.
    world : World
        Moved on by n_steps bars.
    random : ndarray of shape (n_envs,), uint64
        One stream of action draws per environment.
    gamma : float
        A truncated episode's last reward gains gamma times the value of its last observation.
    rollout : Rollout
        Row 0 of observations and of episode starts is given.
    last_observations : ndarray of shape (n_envs, n_inputs), float32
        Receives what follows the last step, and `last_values` its values.
    """
    n_steps, n_envs, n_inputs = rollout.observations.shape
    policy_layers, value_layers = work_nb(width_nb(policy), n_envs), work_nb(width_nb(value), n_envs)
    actions = np.empty(n_envs, dtype=np.int64)
    terminal, bootstrap = np.empty((n_envs, n_inputs), dtype=np.float32), np.empty(n_envs, dtype=np.float32)
    for step in range(n_steps):
        now = rollout.observations[step]
        _act_nb(parameters, policy, now, random, policy_layers, actions, rollout.log_probs[step])
        values_nb(parameters, value, now, value_layers, rollout.values[step])
        following = rollout.observations[step + 1] if step < n_steps - 1 else last_observations
        n_ended = advance_nb(actions, world, following, terminal)
        if n_ended:
            values_nb(parameters, value, terminal[:n_ended], value_layers, bootstrap)
        rank = 0
        for env in range(n_envs):
            rollout.actions[step, env, 0] = actions[env]
            rollout.rewards[step, env] = world.rewards[env]
            if world.dones[env]:
                rollout.rewards[step, env] += gamma * bootstrap[rank]
                rank += 1
            if step < n_steps - 1:
                rollout.episode_starts[step + 1, env] = world.dones[env]
    values_nb(parameters, value, last_observations, value_layers, last_values)


@njit(cache=True, nogil=True)
def _choose_nb(
    rollout: Rollout, order: IntArray, normalize: bool, places: IntArray, advantages: FloatArray
) -> None:
    """Fill where a minibatch's samples stand, as step * n_envs + environment, and their advantages."""
    n_steps, n_envs = rollout.values.shape
    mean, every = 0.0, rollout.advantages.reshape(n_steps * n_envs)
    for index in range(order.shape[0]):
        env = order[index] // n_steps
        places[index] = (order[index] - env * n_steps) * n_envs + env
        advantages[index] = every[places[index]]
        mean += advantages[index]
    if not normalize or order.shape[0] < 2:
        return
    mean /= order.shape[0]
    variance = 0.0
    for index in range(order.shape[0]):
        advantages[index] -= mean
        variance += advantages[index] ** 2
    scale = 1.0 / (np.sqrt(variance / (order.shape[0] - 1)) + 1e-8)
    for index in range(order.shape[0]):
        advantages[index] *= scale


@njit(cache=True, nogil=True)
def _policy_delta_nb(
    layers: Float32Array,
    at: int,
    n_columns: int,
    column: int,
    action: int,
    advantage: float,
    old_log_prob: float,
    share: float,
    loss: Loss,
    deltas: Float32Array,
    sums: FloatArray,
) -> None:
    """Fill one sample's gradient in the logits; add its losses, clipping and divergence to `sums`.

    `share` is that of one sample in the minibatch.
    """
    probabilities, logs = logits_nb(layers, at, n_columns, column)
    log_ratio = logs[action] - old_log_prob
    ratio = np.exp(log_ratio)
    clipped = min(max(ratio, 1.0 - loss.clip_range), 1.0 + loss.clip_range)
    is_free = advantage * ratio <= advantage * clipped
    entropy = 0.0
    for position in range(N_POSITIONS):
        entropy -= probabilities[position] * logs[position]
    pull = -advantage * ratio if is_free else 0.0
    for position in range(N_POSITIONS):
        chance, chosen = probabilities[position], 1.0 if position == action else 0.0
        slope = pull * (chosen - chance) + loss.ent_coef * chance * (logs[position] + entropy)
        deltas[at + position * n_columns + column] = slope * share
    sums[0] -= (advantage * ratio if is_free else advantage * clipped) * share
    sums[2] -= entropy * share
    sums[3] += share if abs(ratio - 1.0) > loss.clip_range else 0.0
    sums[4] += (ratio - 1.0 - log_ratio) * share


@njit(cache=True, nogil=True)
def _minibatch_nb(
    parameters: Float32Array,
    gradient: Float32Array,
    policy: IntArray,
    value: IntArray,
    rollout: Rollout,
    order: IntArray,
    loss: Loss,
    work: Work,
    sums: FloatArray,
) -> None:
    """Fill the gradient of one minibatch's loss."""
    n_inputs, n_all, n_batch = rollout.observations.shape[2], rollout.values.size, order.shape[0]
    _choose_nb(rollout, order, loss.normalize_advantage, work.places, work.advantages)
    observations = rollout.observations.reshape(n_all, n_inputs)
    actions, log_probs = rollout.actions.reshape(n_all), rollout.log_probs.reshape(n_all)
    returns, share = rollout.returns.reshape(n_all), 1.0 / n_batch
    gradient[:] = np.float32(0.0)
    layers, deltas = work.layers, work.deltas
    for first in range(0, n_batch, BLOCK):
        places = work.places[first : min(first + BLOCK, n_batch)]
        n_columns = columns_nb(places.shape[0])
        for column in range(places.shape[0]):
            for source in range(n_inputs):
                layers[source * n_columns + column] = observations[places[column], source]
        at = forward_nb(parameters, policy, layers, n_columns)
        deltas[at:] = np.float32(0.0)
        for column in range(places.shape[0]):
            place = places[column]
            _policy_delta_nb(
                layers,
                at,
                n_columns,
                column,
                int(actions[place]),
                work.advantages[first + column],
                log_probs[place],
                share,
                loss,
                deltas,
                sums,
            )
        backward_nb(parameters, policy, layers, deltas, n_columns, gradient)
        # The inputs are still at the start of the layers.
        at = forward_nb(parameters, value, layers, n_columns)
        deltas[at:] = np.float32(0.0)
        for column in range(places.shape[0]):
            error = float(layers[at + column]) - returns[places[column]]
            deltas[at + column] = 2.0 * loss.vf_coef * error * share
            sums[1] += error * error * share
        backward_nb(parameters, value, layers, deltas, n_columns, gradient)


@njit(cache=True, nogil=True)
def update_nb(
    adam: Adam,
    n_steps_before: int,
    policy: IntArray,
    value: IntArray,
    rollout: Rollout,
    orders: IntArray,
    loss: Loss,
    sums: FloatArray,
) -> int:
    """Run every epoch and minibatch of `PPO.train`; return how many steps Adam took.

    Parameters
    ----------
    adam : Adam
    n_steps_before : int
        Adam's steps so far.
    policy, value : ndarray of shape (n_layers, 4), int64
    rollout : Rollout
    orders : ndarray of shape (n_epochs, n_steps * n_envs), int64
        Permutations; sample i is step i % n_steps of environment i // n_steps, as SB3 flattens them.
    loss : Loss
    sums : ndarray of shape (6,), float64
        Receives sums over minibatches of policy loss, value loss, entropy loss, clipped fraction, and (of
        the last epoch) approximate KL divergence, then the last minibatch's loss.

    Notes
    -----
    Clipped surrogate of Schulman et al. 2017, eq. 7, with the sign, means and constants of SB3.
    """
    n_minibatches, before = 0, np.zeros(6)
    n_batch = min(loss.batch_size, orders.shape[1])
    work = Work(
        np.empty(n_batch, dtype=np.int64),
        np.empty(n_batch),
        work_nb(max(width_nb(policy), width_nb(value)), n_batch),
        work_nb(max(width_nb(policy), width_nb(value)), n_batch),
    )
    for epoch in range(orders.shape[0]):
        sums[4] = 0.0
        for first in range(0, orders.shape[1], loss.batch_size):
            order = orders[epoch, first : first + loss.batch_size]
            before[:] = sums
            _minibatch_nb(adam.parameters, adam.gradient, policy, value, rollout, order, loss, work, sums)
            policy_loss, value_loss, entropy_loss = sums[:3] - before[:3]
            sums[5] = policy_loss + loss.ent_coef * entropy_loss + loss.vf_coef * value_loss
            n_minibatches += 1
            adam_nb(adam, n_steps_before + n_minibatches)
    return n_minibatches
