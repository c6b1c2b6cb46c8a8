"""Products of small float32 matrices, tile by tile.

A matrix holds samples as columns: row after row, each of `n_columns`, a multiple of LANES. Every sum has a
fixed order.
"""

from __future__ import annotations

from numba import njit

from sessions.rl.tile_kernel import LANES, add_dot_tile, add_weighted_tile
from trainingday.typing import Float32Array


@njit(cache=True, nogil=True)
def add_weighted_sums_nb(
    weights: Float32Array,
    row_stride: int,
    source_stride: int,
    sources: Float32Array,
    n_columns: int,
    out: Float32Array,
) -> None:
    """Add weights times sources to `out`.

    Parameters
    ----------
    weights : ndarray of shape (n_weights,), float32
        That of row i and source k stands at i * row_stride + k * source_stride.
    sources : ndarray of shape (n_sources * n_columns,), float32
    n_columns : int
        A multiple of LANES.
    out : ndarray of shape (n_rows * n_columns,), float32
    """
    n_rows, n_sources = out.shape[0] // n_columns, sources.shape[0] // n_columns
    for column in range(0, n_columns, 2 * LANES):
        is_pair, strip, row = column + LANES < n_columns, sources[column:], 0
        while row < n_rows:
            these, there = weights[row * row_stride :], out[row * n_columns + column :]
            left = n_rows - row
            if left >= 8:
                add_weighted_tile(
                    8, is_pair, these, row_stride, source_stride, strip, n_sources, n_columns, there
                )
                row += 8
            elif left >= 3:
                add_weighted_tile(
                    3, is_pair, these, row_stride, source_stride, strip, n_sources, n_columns, there
                )
                row += 3
            else:
                add_weighted_tile(
                    1, is_pair, these, row_stride, source_stride, strip, n_sources, n_columns, there
                )
                row += 1


@njit(cache=True, nogil=True)
def add_dot_products_nb(a: Float32Array, b: Float32Array, n_columns: int, out: Float32Array) -> None:
    """Add the dot product of every row of `a` with every row of `b` to `out`.

    Parameters
    ----------
    a : ndarray of shape (n_a * n_columns,), float32
    b : ndarray of shape (n_b * n_columns,), float32
    n_columns : int
        A multiple of LANES.
    out : ndarray of shape (n_a * n_b,), float32
    """
    n_a, n_b = a.shape[0] // n_columns, b.shape[0] // n_columns
    i = 0
    while i < n_a:
        these, n_rows, j = a[i * n_columns :], 4 if n_a - i >= 4 else 1, 0
        while j < n_b:
            those, there, n_sources = b[j * n_columns :], out[i * n_b + j :], 4 if n_b - j >= 4 else 1
            if n_rows == 4 and n_sources == 4:
                add_dot_tile(4, 4, these, those, n_columns, there, n_b)
            elif n_rows == 4:
                add_dot_tile(4, 1, these, those, n_columns, there, n_b)
            elif n_sources == 4:
                add_dot_tile(1, 4, these, those, n_columns, there, n_b)
            else:
                add_dot_tile(1, 1, these, those, n_columns, there, n_b)
            j += n_sources
        i += n_rows
