"""Forward, backward and Adam of small tanh networks over one flat vector of parameters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from trainingday.policy.network import BLOCK, tanh_nb
from trainingday.typing import Float32Array, IntArray


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
    """Return how many rows of BLOCK the network's input and layers take together."""
    n_rows = shapes[0, 0]
    for layer in range(shapes.shape[0]):
        n_rows += shapes[layer, 1]
    return int(n_rows)


@njit(cache=True, nogil=True)
def load_nb(observations: Float32Array, first: int, n_rows: int, out: Float32Array) -> None:
    """Copy rows `first` to `first + n_rows` into a block: inputs are its rows, samples its columns."""
    for row in range(n_rows):
        for column in range(observations.shape[1]):
            out[column * BLOCK + row] = observations[first + row, column]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def forward_nb(parameters: Float32Array, shapes: IntArray, layers: Float32Array) -> int:
    """Run one block of samples through the network; return where its outputs begin in `layers`.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,), float32
    shapes : ndarray of shape (n_layers, 4), int64
        Inputs, outputs, and where weights (outputs x inputs, as torch has them) and biases begin.
    layers : ndarray of shape (width_nb(shapes) * BLOCK,), float32
        Holds the input block at its start; receives every layer's outputs after it.
    """
    begin = 0
    for layer in range(shapes.shape[0]):
        n_in, n_out, weight, bias = shapes[layer]
        end = begin + n_in * BLOCK
        here, there = layers[begin:end], layers[end : end + n_out * BLOCK]
        for unit in range(n_out):
            row = there[unit * BLOCK : (unit + 1) * BLOCK]
            row[:] = parameters[bias + unit]
            weighted_sum_nb(parameters[weight + unit * n_in : weight + (unit + 1) * n_in], here, row)
        if layer < shapes.shape[0] - 1:
            tanh_nb(there, n_out * BLOCK)
        begin = end
    return begin


@njit(cache=True, nogil=True, fastmath={"contract"}, inline="always")
def weighted_sum_nb(weights: Float32Array, rows: Float32Array, out: Float32Array) -> None:
    """Add the sum of rows of BLOCK times their weights to `out`: eight rows in one pass, which loads it seldom."""
    n_rows = weights.shape[0]
    n_eights = n_rows // 8
    for eight in range(n_eights):
        w = weights[8 * eight : 8 * (eight + 1)]
        block = rows[8 * eight * BLOCK : 8 * (eight + 1) * BLOCK]
        # As scalars: read from the array, they would be loaded again for every column.
        w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
        for column in range(BLOCK):
            out[column] += (
                (w0 * block[column] + w1 * block[BLOCK + column])
                + (w2 * block[2 * BLOCK + column] + w3 * block[3 * BLOCK + column])
                + (w4 * block[4 * BLOCK + column] + w5 * block[5 * BLOCK + column])
                + (w6 * block[6 * BLOCK + column] + w7 * block[7 * BLOCK + column])
            )
    for row in range(8 * n_eights, n_rows):
        p = weights[row]
        for column in range(BLOCK):
            out[column] += p * rows[row * BLOCK + column]


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _weight_gradient_nb(delta: Float32Array, here: Float32Array, out: Float32Array) -> None:
    """Add sum over samples of delta x input to `out`, one entry per input."""
    for source in range(out.shape[0]):
        total = np.float32(0.0)
        row = here[source * BLOCK : (source + 1) * BLOCK]
        for column in range(BLOCK):
            total += delta[column] * row[column]
        out[source] += total


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def backward_nb(
    parameters: Float32Array,
    shapes: IntArray,
    layers: Float32Array,
    deltas: Float32Array,
    gradient: Float32Array,
) -> None:
    """Add a block's gradient to `gradient`.

    `layers` is as `forward_nb` left it; `deltas`, of its shape, holds the loss's gradient in the outputs
    where `layers` holds the outputs, 0 in unused columns, and is filled backwards.
    """
    end = layers.shape[0]
    for layer in range(shapes.shape[0] - 1, -1, -1):
        n_in, n_out, weight, bias = shapes[layer]
        middle = end - n_out * BLOCK
        begin = middle - n_in * BLOCK
        here, below = layers[begin:middle], deltas[begin:middle]
        if layer:
            below[:] = np.float32(0.0)
        for unit in range(n_out):
            delta = deltas[middle + unit * BLOCK : middle + (unit + 1) * BLOCK]
            total = np.float32(0.0)
            for column in range(BLOCK):
                total += delta[column]
            gradient[bias + unit] += total
            first = weight + unit * n_in
            _weight_gradient_nb(delta, here, gradient[first : first + n_in])
        if layer:
            _input_gradient_nb(parameters, weight, n_in, n_out, deltas[middle:end], here, below)
        end = middle


@njit(cache=True, nogil=True, fastmath={"contract"})
def _input_gradient_nb(
    parameters: Float32Array,
    weight: int,
    n_in: int,
    n_out: int,
    deltas: Float32Array,
    here: Float32Array,
    out: Float32Array,
) -> None:
    """Fill the gradient in a tanh layer's inputs: weights' transpose times deltas, times 1 - tanh²."""
    column_of_weights = np.empty(n_out, dtype=np.float32)
    for source in range(n_in):
        for unit in range(n_out):
            column_of_weights[unit] = parameters[weight + unit * n_in + source]
        row = out[source * BLOCK : (source + 1) * BLOCK]
        weighted_sum_nb(column_of_weights, deltas, row)
        value = here[source * BLOCK : (source + 1) * BLOCK]
        for column in range(BLOCK):
            row[column] *= np.float32(1.0) - value[column] * value[column]


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
