"""Products of small matrices are those of NumPy, for every width, and touch nothing else."""

import numpy as np
import pytest

from sessions.rl.product_kernel import add_dot_products_nb, add_weighted_sums_nb

SIZES = [(1, 1), (3, 16), (7, 5), (8, 8), (16, 64), (13, 21)]
COLUMNS = [16, 32, 48, 128]


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("n_columns", COLUMNS)
@pytest.mark.parametrize(("n_rows", "n_sources"), SIZES)
def test_weighted_sums_are_added(n_rows: int, n_sources: int, n_columns: int) -> None:
    weights, sources, before = (
        _random(*shape) for shape in ((n_rows, n_sources), (n_sources, n_columns), (n_rows, n_columns))
    )
    expected = before + weights.astype(float) @ sources
    turned = np.ascontiguousarray(weights.T)
    for flat, row_stride, source_stride in ((weights, n_sources, 1), (turned, 1, n_rows)):
        memory = np.full(n_rows * n_columns + 64, 7.0, dtype=np.float32)
        out = memory[: n_rows * n_columns]
        out[:] = before.ravel()
        add_weighted_sums_nb(flat.ravel(), row_stride, source_stride, sources.ravel(), n_columns, out)
        np.testing.assert_allclose(out.reshape(n_rows, n_columns), expected, atol=2e-5)
        np.testing.assert_array_equal(memory[n_rows * n_columns :], 7.0)


@pytest.mark.parametrize("n_columns", COLUMNS)
@pytest.mark.parametrize(("n_a", "n_b"), SIZES)
def test_dot_products_are_added(n_a: int, n_b: int, n_columns: int) -> None:
    a, b, before = _random(n_a, n_columns), _random(n_b, n_columns), _random(n_a, n_b)
    memory = np.full(n_a * n_b + 64, 7.0, dtype=np.float32)
    out = memory[: n_a * n_b]
    out[:] = before.ravel()
    add_dot_products_nb(a.ravel(), b.ravel(), n_columns, out)
    np.testing.assert_allclose(out.reshape(n_a, n_b), before + a.astype(float) @ b.T, atol=5e-5)
    np.testing.assert_array_equal(memory[n_a * n_b :], 7.0)
