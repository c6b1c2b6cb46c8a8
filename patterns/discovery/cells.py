"""Cells: thinned sums of outcomes for every word x volatility x volume regime, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.special import stdtr

from trainingday.typing import FloatArray, IntArray

# Per word: any or one of three volatility regimes, times the same for volume.
CELLS_PER_WORD = 16


@dataclass(frozen=True, eq=False)
class CellSums:
    """Outcomes of one horizon in units of volatility x sqrt(horizon), kept ones only.

    Attributes
    ----------
    n, total, squares : ndarray of shape (n_words * 16,)
        Cell = (word * 4 + volatility + 1) * 4 + volume + 1, where regime -1 stands for any.
    last_kept : ndarray of shape (n_words * 16,), int64; the bar of the last occurrence kept.
    base : ndarray of shape (2,): number and sum of the outcomes of all bars.
    """

    n: IntArray
    total: FloatArray
    squares: FloatArray
    last_kept: IntArray
    base: FloatArray

    @classmethod
    def empty(cls, n_words: int) -> CellSums:
        n_cells = n_words * CELLS_PER_WORD
        never = np.full(n_cells, np.iinfo(np.int64).min // 2)
        return cls(
            np.zeros(n_cells, dtype=np.int64), np.zeros(n_cells), np.zeros(n_cells), never, np.zeros(2)
        )

    @property
    def base_mean(self) -> float | None:
        return float(self.base[1] / self.base[0]) if self.base[0] else None


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
    log_open, words, volatility, calm, busy, n_gaps, horizon, start, stop, end,
    n, total, squares, last_kept, base,
):  # fmt: skip
    """Add the outcomes decided on bars start..stop; `end` is the segment's, no exit may reach it."""
    root = np.sqrt(horizon)
    for bar in range(start, min(stop, end - 1 - horizon)):
        scale = volatility[bar]
        if not np.isfinite(scale) or n_gaps[bar + 1 + horizon] != n_gaps[bar]:
            continue
        outcome = (log_open[bar + 1 + horizon] - log_open[bar + 1]) / (scale * root)
        base[0] += 1
        base[1] += outcome
        if words[bar] < 0:
            continue
        any_regime = words[bar] * 16
        by_volatility = any_regime + 4 * (calm[bar] + 1)
        for i in range(4):
            if i == 0:
                cell = any_regime
            elif i == 1:
                cell = by_volatility
            elif i == 2:
                cell = any_regime + busy[bar] + 1
            else:
                cell = by_volatility + busy[bar] + 1
            if (i % 2 == 1 and calm[bar] < 0) or (i >= 2 and busy[bar] < 0):
                continue
            if bar - last_kept[cell] >= horizon:
                last_kept[cell] = bar
                n[cell] += 1
                total[cell] += outcome
                squares[cell] += outcome * outcome
