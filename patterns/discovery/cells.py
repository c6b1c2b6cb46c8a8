"""Cells: thinned sums of outcomes for every word and the regimes asked beside it, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.special import stdtr

from trainingday.typing import BoolArray, FloatArray, IntArray

# Per feature: any, or one of three regimes.
CHOICES = 4


@dataclass(frozen=True, eq=False)
class CellSums:
    """Outcomes of one horizon in units of volatility x sqrt(horizon), kept ones only.

    Attributes
    ----------
    n, total, squares : ndarray of shape (n_words * 4 ** n_features,)
        Cell = the digits word, regime + 1 of the first feature, of the second .. to the base 4, where
        regime -1 stands for any.
    last_kept : ndarray of the same shape, int64; the bar of the last occurrence kept.
    base : ndarray of shape (2,): number and sum of the outcomes of all bars.
    """

    n: IntArray
    total: FloatArray
    squares: FloatArray
    last_kept: IntArray
    base: FloatArray

    @classmethod
    def empty(cls, n_words: int, n_features: int) -> CellSums:
        n_cells = n_words * CHOICES**n_features
        never = np.full(n_cells, np.iinfo(np.int64).min // 2)
        return cls(
            np.zeros(n_cells, dtype=np.int64), np.zeros(n_cells), np.zeros(n_cells), never, np.zeros(2)
        )

    @property
    def base_mean(self) -> float | None:
        return float(self.base[1] / self.base[0]) if self.base[0] else None


def asked_features(n_features: int, max_conditions: int) -> BoolArray:
    """Return which features each kind of cell asks for, shape (n_kinds, n_features), the word alone first."""
    kinds = [
        [kind >> feature & 1 for feature in reversed(range(n_features))]
        for kind in range(2**n_features)
        if kind.bit_count() <= max_conditions
    ]
    return np.array(kinds, dtype=np.bool_)


def regimes_of(cell: int, n_features: int) -> tuple[int, list[int | None]]:
    """Return the word of a cell and the regime of each feature, None for any."""
    regimes: list[int | None] = []
    for _ in range(n_features):
        cell, digit = divmod(cell, CHOICES)
        regimes.append(digit - 1 if digit else None)
    return cell, regimes[::-1]


def student_t(sums: CellSums, min_occurrences: int) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the cells with enough occurrences, their t against the base mean, and two-sided p.

    Degrees of freedom n - 1; cells whose outcomes do not vary are left out.
    """
    cells = np.flatnonzero(sums.n >= min_occurrences)
    base = sums.base_mean
    if base is None or not cells.size:
        return cells[:0], np.empty(0), np.empty(0)
    n = sums.n[cells].astype(np.float64)
    mean = sums.total[cells] / n
    variance = (sums.squares[cells] - n * mean * mean) / (n - 1)
    varies = variance > 1e-12 * np.maximum(1.0, mean * mean)
    cells, n, mean, variance = cells[varies], n[varies], mean[varies], variance[varies]
    t = (mean - base) / np.sqrt(variance / n)
    return cells, t, 2 * stdtr(n - 1, -np.abs(t))


@njit(cache=True, nogil=True, error_model="numpy")
def add_cells_nb(  # type: ignore[no-untyped-def]
    log_open, words, volatility, regimes, asked, n_gaps, horizon, start, stop, end,
    n, total, squares, last_kept, base,
):  # fmt: skip
    """Add the outcomes decided on bars start..stop; `end` is the segment's, no exit may reach it."""
    root = np.sqrt(horizon)
    n_features = regimes.shape[0]
    for bar in range(start, min(stop, end - 1 - horizon)):
        scale = volatility[bar]
        if not np.isfinite(scale) or n_gaps[bar + 1 + horizon] != n_gaps[bar]:
            continue
        outcome = (log_open[bar + 1 + horizon] - log_open[bar + 1]) / (scale * root)
        base[0] += 1
        base[1] += outcome
        if words[bar] < 0:
            continue
        for kind in range(asked.shape[0]):
            cell = np.int64(words[bar])
            is_defined = True
            for feature in range(n_features):
                regime = regimes[feature, bar] if asked[kind, feature] else -1
                is_defined &= regime >= 0 or not asked[kind, feature]
                cell = cell * 4 + regime + 1
            if is_defined and bar - last_kept[cell] >= horizon:
                last_kept[cell] = bar
                n[cell] += 1
                total[cell] += outcome
                squares[cell] += outcome * outcome
