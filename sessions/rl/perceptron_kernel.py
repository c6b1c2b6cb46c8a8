"""Forward, backward and Adam of small tanh networks over one flat vector of parameters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sessions.rl.product_kernel import add_dot_products_nb, add_weighted_sums_nb
from sessions.rl.tile_kernel import LANES
from trainingday.policy.network import tanh_nb
from trainingday.typing import Float32Array, IntArray

# Samples that pass through the layers together: a multiple of LANES. 128 take longer, the layers leave the cache.
BLOCK = 64


class Adam(NamedTuple):
    """A flat vector of parameters and the state of `torch.optim.Adam` on it."""

    parameters: Float32Array
    gradient: Float32Array
    mean: Float32Array
    square: Float32Array
    learning_rate: float
    beta_1: float
    beta_2: float
    eps: float
    max_norm: float


@njit(cache=True, nogil=True)
def width_nb(shapes: IntArray) -> int:
    """Return how many rows the network's input and layers take together."""
    n_rows = shapes[0, 0]
    for layer in range(shapes.shape[0]):
        n_rows += shapes[layer, 1]
    return int(n_rows)


@njit(cache=True, nogil=True)
def columns_nb(n_samples: int) -> int:
    """Return how many columns a block of samples takes, BLOCK at most: whole vectors."""
    return int(min(BLOCK, (n_samples + LANES - 1) // LANES * LANES))


@njit(cache=True, nogil=True)
def work_nb(n_rows: int, n_samples: int) -> Float32Array:
    """Return zeros for `n_rows` rows of a block of samples, where a cache line begins."""
    n_numbers = n_rows * columns_nb(n_samples)
    memory = np.zeros(n_numbers + LANES, dtype=np.float32)
    begin = -(np.int64(memory.ctypes.data) // 4) % LANES
    return memory[begin : begin + n_numbers]


@njit(cache=True, nogil=True)
def load_nb(observations: Float32Array, n_columns: int, out: Float32Array) -> None:
    """Copy samples into a block: inputs are its rows, samples its columns."""
    for sample in range(observations.shape[0]):
        for source in range(observations.shape[1]):
            out[source * n_columns + sample] = observations[sample, source]


@njit(cache=True, nogil=True)
def forward_nb(parameters: Float32Array, shapes: IntArray, layers: Float32Array, n_columns: int) -> int:
    """Run one block of samples through the network; return where its outputs begin in `layers`.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,), float32
    shapes : ndarray of shape (n_layers, 4), int64
        Inputs, outputs, and where weights (outputs x inputs, as torch has them) and biases begin.
    layers : ndarray of shape (>= width_nb(shapes) * n_columns,), float32
        Holds the input block at its start; receives every layer's outputs after it.
    n_columns : int
        See `columns_nb`.
    """
    begin = 0
    for layer in range(shapes.shape[0]):
        n_in, n_out, weight, bias = shapes[layer]
        end = begin + n_in * n_columns
        there = layers[end : end + n_out * n_columns]
        for unit in range(n_out):
            there[unit * n_columns : (unit + 1) * n_columns] = parameters[bias + unit]
        add_weighted_sums_nb(parameters[weight:], n_in, 1, layers[begin:end], n_columns, there)
        if layer < shapes.shape[0] - 1:
            tanh_nb(there, n_out * n_columns)
        begin = end
    return begin


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def backward_nb(
    parameters: Float32Array,
    shapes: IntArray,
    layers: Float32Array,
    deltas: Float32Array,
    n_columns: int,
    gradient: Float32Array,
) -> None:
    """Add a block's gradient to `gradient`.

    `layers` is as `forward_nb` left it; `deltas`, of its shape, holds the loss's gradient in the outputs
    where `layers` holds the outputs, 0 in unused columns, and is filled backwards.
    """
    end = width_nb(shapes) * n_columns
    for layer in range(shapes.shape[0] - 1, -1, -1):
        n_in, n_out, weight, bias = shapes[layer]
        middle = end - n_out * n_columns
        begin = middle - n_in * n_columns
        here, delta = layers[begin:middle], deltas[middle:end]
        for unit in range(n_out):
            total = np.float32(0.0)
            for column in range(n_columns):
                total += delta[unit * n_columns + column]
            gradient[bias + unit] += total
        add_dot_products_nb(delta, here, n_columns, gradient[weight : weight + n_in * n_out])
        if layer:
            below = deltas[begin:middle]
            below[:] = np.float32(0.0)
            add_weighted_sums_nb(parameters[weight:], 1, n_in, delta, n_columns, below)
            for index in range(below.shape[0]):
                below[index] *= np.float32(1.0) - here[index] * here[index]
        end = middle


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def adam_nb(adam: Adam, step: int) -> None:
    """Clip the gradient to its largest norm and take Adam's step number `step` (from 1), as torch does."""
    gradient, total = adam.gradient, np.float32(0.0)
    for index in range(gradient.shape[0]):
        total += gradient[index] * gradient[index]
    ratio = adam.max_norm / (np.sqrt(total) + 1e-6)
    scale = np.float32(1.0 if ratio > 1.0 else ratio)
    size = np.float32(adam.learning_rate / (1.0 - adam.beta_1**step))
    root = np.float32(1.0 / np.sqrt(1.0 - adam.beta_2**step))
    eps = np.float32(adam.eps)
    new_1, beta_2, new_2 = (
        np.float32(1.0 - adam.beta_1),
        np.float32(adam.beta_2),
        np.float32(1.0 - adam.beta_2),
    )
    for index in range(gradient.shape[0]):
        slope = gradient[index] * scale
        adam.mean[index] += new_1 * (slope - adam.mean[index])
        adam.square[index] = beta_2 * adam.square[index] + new_2 * slope * slope
        adam.parameters[index] -= size * adam.mean[index] / (np.sqrt(adam.square[index]) * root + eps)
