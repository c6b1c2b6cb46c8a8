"""Rates: the smallest false discovery rate at which each test would count."""

from __future__ import annotations

import numpy as np

from trainingday.typing import FloatArray


def adjusted_p_values(p_values: FloatArray) -> FloatArray:
    """Return Benjamini-Hochberg q-values, shape (n_tests,): a test is a discovery at rates >= its q."""
    n_tests = p_values.shape[0]
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * n_tests / np.arange(1, n_tests + 1)
    adjusted = np.empty(n_tests)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
