"""A trained policy as plain arrays: one forward pass over all bars, an action table, a walk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trainingday.exceptions import InvalidArgument
from trainingday.typing import Float32Array, FloatArray

POSITIONS = (-1.0, 0.0, 1.0)
N_POSITIONS = len(POSITIONS)
FLAT = 1
BLOCK = (
    64  # bars that pass through the layers together: small enough for the cache, a multiple of any SIMD width
)


class PolicyKind(StrEnum):
    """What the last layer holds."""

    POLICY = "policy"  # logits of the next position; the input ends with the one-hot position
    Q = "q"  # action values of the next position; the same input
    TABLE = "table"  # logits of shape (position, next position); the input is the features alone


class Activation(StrEnum):
    TANH = "tanh"
    RELU = "relu"


@dataclass(frozen=True, eq=False)
class PolicyNetwork:
    """A feed-forward policy over the positions short, flat, long.

    Attributes
    ----------
    kind : PolicyKind
    activation : Activation
        Between layers; the last layer is linear.
    weights : tuple of ndarray of shape (n_inputs, n_outputs), float32
    biases : tuple of ndarray of shape (n_outputs,), float32
    observation : str
        Name in `trainingday.policy.observation.OBSERVATIONS` of the features that it reads.
    """

    kind: PolicyKind
    activation: Activation
    weights: tuple[Float32Array, ...]
    biases: tuple[Float32Array, ...]
    observation: str = "standard"

    def __post_init__(self) -> None:
        if not self.weights or len(self.weights) != len(self.biases):
            raise InvalidArgument(
                f"biases should number the weights' {len(self.weights)} >= 1, number {len(self.biases)}"
            )
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if weight.dtype != np.float32 or bias.dtype != np.float32:
                raise InvalidArgument(f"layer {index} should be float32, is {weight.dtype} and {bias.dtype}")
            if weight.ndim != 2 or bias.shape != (weight.shape[1],):
                raise InvalidArgument(
                    f"layer {index} should be (n_in, n_out) and (n_out,), is {weight.shape}, {bias.shape}"
                )
            if index and weight.shape[0] != self.weights[index - 1].shape[1]:
                raise InvalidArgument(
                    f"layer {index} should take {self.weights[index - 1].shape[1]}, takes {weight.shape[0]}"
                )
        if self.biases[-1].shape[0] != self.n_outputs:
            raise InvalidArgument(
                f"the last layer should give {self.n_outputs}, gives {self.biases[-1].shape[0]}"
            )
        if self.n_features < 1:
            raise InvalidArgument(f"n_features should be >= 1, is {self.n_features}")

    @property
    def n_outputs(self) -> int:
        return N_POSITIONS * N_POSITIONS if self.kind is PolicyKind.TABLE else N_POSITIONS

    @property
    def n_features(self) -> int:
        n_inputs = int(self.weights[0].shape[0])
        return n_inputs if self.kind is PolicyKind.TABLE else n_inputs - N_POSITIONS

    @property
    def net_arch(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return tuple(int(bias.shape[0]) for bias in self.biases[:-1])

    def arrays(self) -> dict[str, Float32Array]:
        """Return the arrays by name, for storage."""
        named = {}
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            named[f"weight_{index}"], named[f"bias_{index}"] = weight, bias
        return named

    @classmethod
    def from_arrays(
        cls, kind: str, activation: str, arrays: Mapping[str, Float32Array], observation: str = "standard"
    ) -> PolicyNetwork:
        """Return the network that `arrays()` named; unknown, missing or misshaped arrays raise."""
        n_layers = len(arrays) // 2
        expected = {f"{part}_{index}" for index in range(n_layers) for part in ("weight", "bias")}
        if set(arrays) != expected or not n_layers:
            raise InvalidArgument(f"arrays should be named weight_i and bias_i, are {sorted(arrays)}")
        return cls(
            PolicyKind(kind),
            Activation(activation),
            tuple(np.ascontiguousarray(arrays[f"weight_{index}"]) for index in range(n_layers)),
            tuple(np.ascontiguousarray(arrays[f"bias_{index}"]) for index in range(n_layers)),
            observation,
        )

    @property
    def is_finite(self) -> bool:
        return all(bool(np.isfinite(array).all()) for array in self.arrays().values())

    def weights_hash(self) -> str:
        """Return the sha256 of kind, activation, shapes and bytes: equal if and only if the policy is."""
        digest = hashlib.sha256(f"{self.kind.value}|{self.activation.value}|{self.observation}".encode())
        for name, array in self.arrays().items():
            digest.update(f"|{name}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
        return digest.hexdigest()

    def outputs(self, features: Float32Array) -> Float32Array:
        """Return logits or action values of every bar and held position.

        Parameters
        ----------
        features : ndarray of shape (n_bars, n_features), float32

        Returns
        -------
        ndarray of shape (n_bars, 3, 3), float32
            Axes: bar, position held before (short, flat, long), next position.

        Notes
        -----
        A bar's outputs depend on that bar's row alone, bit for bit, whatever the number of bars: the
        sums run in a fixed order and without fused multiply-adds.
        """
        rows = self._checked(features)
        first, rest = self._split_first_layer()
        out = np.empty((rows.shape[0], N_POSITIONS, N_POSITIONS), dtype=np.float32)
        widths = np.array([weight.shape for weight in rest], dtype=np.int64).reshape(len(rest), 2)
        flat = [np.concatenate((w.ravel(), b)) for w, b in zip(rest, self.biases[1:], strict=True)]
        packed = np.concatenate(flat) if flat else np.empty(0, dtype=np.float32)
        offsets = self._position_offsets()
        _outputs_nb(rows, first, offsets, packed, widths, self.activation is Activation.TANH, out)
        return out

    def action_table(self, features: Float32Array) -> NDArray[np.int8]:
        """Return the next position's index of every bar and held position, (n_bars, 3), int8."""
        return _argmax_nb(self.outputs(features))

    def positions(self, features: Float32Array, start: float = 0.0) -> FloatArray:
        """Return the target position decided at each bar's close, (n_bars,), in {-1, 0, 1}.

        Parameters
        ----------
        features : ndarray of shape (n_bars, n_features), float32
        start : float
            The position held before the first bar.

        Raises
        ------
        InvalidArgument
            If `start` is not -1, 0 or 1, or the features do not fit.
        """
        if start not in POSITIONS:
            raise InvalidArgument(f"start should be one of {POSITIONS}, is {start}")
        return walk_nb(self.action_table(features), POSITIONS.index(start))

    def _checked(self, features: Float32Array) -> Float32Array:
        if features.ndim != 2 or features.shape[1] != self.n_features:
            raise InvalidArgument(
                f"features should have shape (n_bars, {self.n_features}), have {features.shape}"
            )
        return np.ascontiguousarray(features, dtype=np.float32)

    def _split_first_layer(self) -> tuple[Float32Array, list[Float32Array]]:
        return self.weights[0][: self.n_features], list(self.weights[1:])

    def _position_offsets(self) -> Float32Array:
        """Return what the held position adds to the first layer, (3, width) or (1, width) for a table."""
        if self.kind is PolicyKind.TABLE:
            return np.ascontiguousarray(self.biases[0][None, :])
        return np.ascontiguousarray(self.weights[0][self.n_features :] + self.biases[0])


# NumPy's error model: Python's would test each divisor for zero, which keeps the loop from being vectorised.
@njit(cache=True, nogil=True, error_model="numpy")
def tanh_nb(values: Float32Array, n_values: int) -> None:
    """Replace values by their tanh, to 6 units in the last place.

    A rational function of degrees 13 and 6, as in Eigen's `generic_fast_tanh_float`: unlike libm's, the
    compiler runs it on whole vectors, and it gives the same bits on every machine.
    """
    limit = np.float32(7.90531110763549805)
    for index in range(n_values):
        x = min(max(values[index], -limit), limit)
        square = x * x
        p = square * np.float32(-2.76076847742355e-16) + np.float32(2.00018790482477e-13)
        p = square * p + np.float32(-8.60467152213735e-11)
        p = square * p + np.float32(5.12229709037114e-08)
        p = square * p + np.float32(1.48572235717979e-05)
        p = square * p + np.float32(6.37261928875436e-04)
        p = square * p + np.float32(4.89352455891786e-03)
        q = square * np.float32(1.19825839466702e-06) + np.float32(1.18534705686654e-04)
        q = square * q + np.float32(2.26843463243900e-03)
        q = square * q + np.float32(4.89352518554385e-03)
        values[index] = x * p / q


@njit(cache=True, nogil=True)
def _activate_nb(values: Float32Array, n_values: int, is_tanh: bool) -> None:
    if is_tanh:
        tanh_nb(values, n_values)
    else:
        for index in range(n_values):
            values[index] = max(values[index], np.float32(0.0))


@njit(cache=True, nogil=True)
def _layer_nb(
    here: Float32Array, weights: Float32Array, n_in: int, n_units: int, there: Float32Array
) -> None:
    """Add weights' products to `there`: four inputs in one pass, which loads and stores a third as often."""
    n_fours = n_in // 4
    for four in range(n_fours):
        source = 4 * four
        a, b, c, d = (source * BLOCK, (source + 1) * BLOCK, (source + 2) * BLOCK, (source + 3) * BLOCK)
        for unit in range(n_units):
            p, q = weights[source, unit], weights[source + 1, unit]
            r, s = weights[source + 2, unit], weights[source + 3, unit]
            row = unit * BLOCK
            for bar in range(BLOCK):
                there[row + bar] += (
                    p * here[a + bar] + q * here[b + bar] + r * here[c + bar] + s * here[d + bar]
                )
    for source in range(4 * n_fours, n_in):
        for unit in range(n_units):
            p, row, a = weights[source, unit], unit * BLOCK, source * BLOCK
            for bar in range(BLOCK):
                there[row + bar] += p * here[a + bar]


@njit(cache=True, nogil=True)
def _outputs_nb(
    features: Float32Array,
    first: Float32Array,
    offsets: Float32Array,
    packed: Float32Array,
    widths: NDArray[np.int64],
    is_tanh: bool,
    out: Float32Array,
) -> None:
    """Fill `out` block by block; within a block units are rows, so every inner loop runs over bars."""
    n_bars, n_features = features.shape
    width = first.shape[1]
    widest = max(width, N_POSITIONS * N_POSITIONS)
    for layer in range(widths.shape[0]):
        widest = max(widest, widths[layer, 1])
    base = np.empty(width * BLOCK, dtype=np.float32)
    here, there = np.empty(widest * BLOCK, dtype=np.float32), np.empty(widest * BLOCK, dtype=np.float32)
    column = np.zeros(n_features * BLOCK, dtype=np.float32)
    for start in range(0, n_bars, BLOCK):
        n_block = min(BLOCK, n_bars - start)
        base[:] = np.float32(0.0)
        for source in range(n_features):
            row = source * BLOCK
            for bar in range(n_block):
                column[row + bar] = features[start + bar, source]
        _layer_nb(column, first, n_features, width, base)
        for held in range(offsets.shape[0]):
            n_units = width
            for unit in range(width):
                shift, row = offsets[held, unit], unit * BLOCK
                for bar in range(BLOCK):
                    here[row + bar] = base[row + bar] + shift
            begin = 0
            for layer in range(widths.shape[0]):
                n_in, n_units = widths[layer, 0], widths[layer, 1]
                _activate_nb(here, n_in * BLOCK, is_tanh)
                for unit in range(n_units):
                    bias, row = packed[begin + n_in * n_units + unit], unit * BLOCK
                    for bar in range(BLOCK):
                        there[row + bar] = bias
                weights = packed[begin : begin + n_in * n_units].reshape(n_in, n_units)
                _layer_nb(here, weights, n_in, n_units, there)
                begin += n_in * n_units + n_units
                here, there = there, here
            _store_nb(here, n_units, n_block, start, held, out)


@njit(cache=True, nogil=True)
def _store_nb(
    values: Float32Array, n_units: int, n_block: int, start: int, held: int, out: Float32Array
) -> None:
    """Copy one block's last layer: three units of one held position, or nine of all three."""
    for unit in range(n_units):
        to_held = held if n_units == N_POSITIONS else unit // N_POSITIONS
        for bar in range(n_block):
            out[start + bar, to_held, unit % N_POSITIONS] = values[unit * BLOCK + bar]


@njit(cache=True, nogil=True)
def _argmax_nb(outputs: Float32Array) -> NDArray[np.int8]:
    """Return the first largest next position, as torch and NumPy break ties."""
    n_bars = outputs.shape[0]
    table = np.zeros((n_bars, N_POSITIONS), dtype=np.int8)
    for bar in range(n_bars):
        for held in range(N_POSITIONS):
            best = 0
            for action in range(1, N_POSITIONS):
                if outputs[bar, held, action] > outputs[bar, held, best]:
                    best = action
            table[bar, held] = best
    return table


@njit(cache=True, nogil=True)
def walk_nb(table: NDArray[np.int8], start: int) -> FloatArray:
    """Return the positions met by following the table from the held index `start`, (n_bars,)."""
    n_bars = table.shape[0]
    path = np.empty(n_bars)
    held = start
    for bar in range(n_bars):
        held = table[bar, held]
        path[bar] = held - 1.0
    return path
