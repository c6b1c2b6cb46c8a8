"""Rates: the intervals and corrections that patterns are judged by."""

from __future__ import annotations

import math

import numpy as np

from trainingday.typing import FloatArray


def adjusted_p_values(p_values: FloatArray) -> FloatArray:
    """Return Benjamini-Hochberg q-values: p is rejected at rate q where its q-value <= q."""
    n = p_values.shape[0]
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * n / np.arange(1, n + 1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted


def wilson_interval(n_successes: int, n: int, z: float) -> tuple[float, float]:
    """Return Wilson's score interval for a share of n > 0, with normal quantile z."""
    share = n_successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
