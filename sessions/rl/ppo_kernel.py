"""PPO's rollout and its whole update, each in one compiled call."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sessions.rl.environment_kernel import World, advance_nb, uniform_nb
from sessions.rl.perceptron_kernel import Adam, adam_nb, backward_nb, forward_nb, load_nb, width_nb
from trainingday.policy.network import BLOCK, N_POSITIONS
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


@njit(cache=True, nogil=True)
def log_softmax_nb(a: float, b: float, c: float) -> tuple[float, float, float]:
    """Return the logarithms of three logits' probabilities."""
    top = max(a, b, c)
    norm = top + np.log(np.exp(a - top) + np.exp(b - top) + np.exp(c - top))
    return a - norm, b - norm, c - norm


@njit(cache=True, nogil=True)
def _logits_nb(layers: Float32Array, at: int, column: int) -> tuple[float, float, float]:
    return log_softmax_nb(
        float(layers[at + column]),
        float(layers[at + BLOCK + column]),
        float(layers[at + 2 * BLOCK + column]),
    )


@njit(cache=True, nogil=True)
def values_nb(
    parameters: Float32Array,
    shapes: IntArray,
    observations: Float32Array,
    n_rows: int,
    layers: Float32Array,
    out: Float32Array,
) -> None:
    """Fill `out` with the critic's values of the first `n_rows` observations."""
    for first in range(0, n_rows, BLOCK):
        n_block = min(BLOCK, n_rows - first)
        load_nb(observations, first, n_block, layers)
        at = forward_nb(parameters, shapes, layers)
        for column in range(n_block):
            out[first + column] = layers[at + column]


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
    n_envs = observations.shape[0]
    for first in range(0, n_envs, BLOCK):
        n_block = min(BLOCK, n_envs - first)
        load_nb(observations, first, n_block, layers)
        at = forward_nb(parameters, shapes, layers)
        for column in range(n_block):
            env = first + column
            short, flat, long = _logits_nb(layers, at, column)
            draw, edge = uniform_nb(random, env), np.exp(short)
            if draw < edge:
                actions[env], log_probs[env] = 0, short
            elif draw < edge + np.exp(flat):
                actions[env], log_probs[env] = 1, flat
            else:
                actions[env], log_probs[env] = 2, long


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
    policy_layers = np.zeros(width_nb(policy) * BLOCK, dtype=np.float32)
    value_layers = np.zeros(width_nb(value) * BLOCK, dtype=np.float32)
    actions = np.empty(n_envs, dtype=np.int64)
    terminal, bootstrap = np.empty((n_envs, n_inputs), dtype=np.float32), np.empty(n_envs, dtype=np.float32)
    for step in range(n_steps):
        now = rollout.observations[step]
        _act_nb(parameters, policy, now, random, policy_layers, actions, rollout.log_probs[step])
        values_nb(parameters, value, now, n_envs, value_layers, rollout.values[step])
        following = rollout.observations[step + 1] if step < n_steps - 1 else last_observations
        n_ended = advance_nb(actions, world, following, terminal)
        if n_ended:
            values_nb(parameters, value, terminal, n_ended, value_layers, bootstrap)
        rank = 0
        for env in range(n_envs):
            rollout.actions[step, env, 0] = actions[env]
            rollout.rewards[step, env] = world.rewards[env]
            if world.dones[env]:
                rollout.rewards[step, env] += gamma * bootstrap[rank]
                rank += 1
            if step < n_steps - 1:
                rollout.episode_starts[step + 1, env] = world.dones[env]
    values_nb(parameters, value, last_observations, n_envs, value_layers, last_values)


@njit(cache=True, nogil=True)
def _advantage_scale_nb(
    advantages: Float32Array, order: IntArray, normalize: bool, n_steps: int
) -> tuple[float, float]:
    """Return what to subtract from a minibatch's advantages and to divide them by."""
    n_batch = order.shape[0]
    if not normalize or n_batch < 2:
        return 0.0, 1.0
    mean = 0.0
    for sample in order:
        mean += advantages[sample % n_steps, sample // n_steps]
    mean /= n_batch
    variance = 0.0
    for sample in order:
        variance += (advantages[sample % n_steps, sample // n_steps] - mean) ** 2
    return mean, np.sqrt(variance / (n_batch - 1)) + 1e-8


@njit(cache=True, nogil=True)
def _policy_delta_nb(
    layers: Float32Array,
    at: int,
    column: int,
    action: int,
    advantage: float,
    old_log_prob: float,
    n_batch: int,
    loss: Loss,
    deltas: Float32Array,
    sums: FloatArray,
) -> None:
    """Fill one sample's gradient in the logits; add its losses, clipping and divergence to `sums`."""
    logs = _logits_nb(layers, at, column)
    log_ratio = logs[action] - old_log_prob
    ratio = np.exp(log_ratio)
    clipped = min(max(ratio, 1.0 - loss.clip_range), 1.0 + loss.clip_range)
    is_free = advantage * ratio <= advantage * clipped
    entropy = 0.0
    for position in range(N_POSITIONS):
        entropy -= np.exp(logs[position]) * logs[position]
    pull = -advantage * ratio if is_free else 0.0
    for position in range(N_POSITIONS):
        share, chosen = np.exp(logs[position]), 1.0 if position == action else 0.0
        slope = pull * (chosen - share) + loss.ent_coef * share * (logs[position] + entropy)
        deltas[at + position * BLOCK + column] = slope / n_batch
    sums[0] -= (advantage * ratio if is_free else advantage * clipped) / n_batch
    sums[2] -= entropy / n_batch
    sums[3] += (1.0 if abs(ratio - 1.0) > loss.clip_range else 0.0) / n_batch
    sums[4] += (ratio - 1.0 - log_ratio) / n_batch


@njit(cache=True, nogil=True)
def _minibatch_nb(
    parameters: Float32Array,
    gradient: Float32Array,
    policy: IntArray,
    value: IntArray,
    rollout: Rollout,
    order: IntArray,
    loss: Loss,
    work: tuple[Float32Array, Float32Array, Float32Array, Float32Array],
    sums: FloatArray,
) -> None:
    """Fill the gradient of one minibatch's loss."""
    policy_layers, policy_deltas, value_layers, value_deltas = work
    n_steps, n_inputs, n_batch = rollout.values.shape[0], rollout.observations.shape[2], order.shape[0]
    centre, scale = _advantage_scale_nb(rollout.advantages, order, loss.normalize_advantage, n_steps)
    gradient[:] = np.float32(0.0)
    for first in range(0, n_batch, BLOCK):
        n_block = min(BLOCK, n_batch - first)
        for column in range(n_block):
            sample = order[first + column]
            row = rollout.observations[sample % n_steps, sample // n_steps]
            for source in range(n_inputs):
                policy_layers[source * BLOCK + column] = row[source]
        value_layers[: n_inputs * BLOCK] = policy_layers[: n_inputs * BLOCK]
        policy_at = forward_nb(parameters, policy, policy_layers)
        value_at = forward_nb(parameters, value, value_layers)
        if n_block < BLOCK:
            policy_deltas[policy_at:] = np.float32(0.0)
            value_deltas[value_at:] = np.float32(0.0)
        for column in range(n_block):
            step, env = order[first + column] % n_steps, order[first + column] // n_steps
            _policy_delta_nb(
                policy_layers,
                policy_at,
                column,
                int(rollout.actions[step, env, 0]),
                (rollout.advantages[step, env] - centre) / scale,
                rollout.log_probs[step, env],
                n_batch,
                loss,
                policy_deltas,
                sums,
            )
            error = float(value_layers[value_at + column]) - rollout.returns[step, env]
            value_deltas[value_at + column] = 2.0 * loss.vf_coef * error / n_batch
            sums[1] += error * error / n_batch
        backward_nb(parameters, policy, policy_layers, policy_deltas, gradient)
        backward_nb(parameters, value, value_layers, value_deltas, gradient)


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
    n_policy, n_value = width_nb(policy) * BLOCK, width_nb(value) * BLOCK
    work = (
        np.zeros(n_policy, dtype=np.float32),
        np.zeros(n_policy, dtype=np.float32),
        np.zeros(n_value, dtype=np.float32),
        np.zeros(n_value, dtype=np.float32),
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
