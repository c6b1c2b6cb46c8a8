"""Fitness: the Sharpe ratio over several folds of validation, less a penalty for being uneven."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trainingday.exceptions import InvalidArgument, NotEnoughBars
from trainingday.typing import FloatArray

FEWEST_FOLD_BARS = 31  # 30 returns, the least that a Sharpe ratio is defined for


@dataclass(frozen=True)
class FitnessOptions:
    """How folds become one fitness.

    Attributes
    ----------
    n_folds : int
        Consecutive parts of the validation segment, >= 1.
    spread_penalty : float
        Standard deviations over folds that are subtracted from the mean, >= 0.
    min_trades : int
        Fewer closed trades over all folds leave the fitness undefined.
    """

    n_folds: int = 4
    spread_penalty: float = 0.5
    min_trades: int = 30

    def __post_init__(self) -> None:
        if self.n_folds < 1:
            raise InvalidArgument(f"n_folds should be >= 1, is {self.n_folds}")
        if not (np.isfinite(self.spread_penalty) and self.spread_penalty >= 0):
            raise InvalidArgument(f"spread_penalty should be finite and >= 0, is {self.spread_penalty}")
        if self.min_trades < 0:
            raise InvalidArgument(f"min_trades should be >= 0, is {self.min_trades}")


def split_folds(start: int, stop: int, n_folds: int) -> tuple[slice, ...]:
    """Return consecutive slices that cover bars start..stop, as equal in length as can be.

    Raises
    ------
    NotEnoughBars
        If a fold would hold fewer than 31 bars (30 returns).
    """
    if n_folds < 1:
        raise InvalidArgument(f"n_folds should be >= 1, is {n_folds}")
    if (stop - start) // n_folds < FEWEST_FOLD_BARS:
        raise NotEnoughBars(
            f"segment should hold >= {FEWEST_FOLD_BARS * n_folds} bars for {n_folds} folds, holds {stop - start}"
        )
    edges = np.linspace(start, stop, n_folds + 1).round().astype(int).tolist()
    return tuple(slice(low, high) for low, high in pairwise(edges))


def fold_fitness(sharpe_ratios: FloatArray, n_trades: FloatArray, options: FitnessOptions) -> FloatArray:
    """Return the fitness of each candidate: mean fold Sharpe less a penalty times their spread.

    Parameters
    ----------
    sharpe_ratios : ndarray of shape (n_candidates, n_folds)
        Annualised; NaN where undefined.
    n_trades : ndarray of shape (n_candidates,)
        Closed trades over all folds.
    options : FitnessOptions
        `n_folds` is taken from the array.

    Returns
    -------
    ndarray of shape (n_candidates,)
        mean - spread_penalty * standard deviation (ddof 1; none with one fold). -inf, not 0, where a
        fold's Sharpe is undefined or the trades are too few: not having traded is no evidence.

    Notes
    -----
    The mean alone rewards one lucky fold. With k folds of equal length the standard error of the mean
    is the spread over sqrt(k), so the default 0.5 with 4 folds takes off one standard error.

    Raises
    ------
    InvalidArgument
        If the shapes do not fit.
    """
    if sharpe_ratios.ndim != 2 or sharpe_ratios.shape[1] == 0:
        raise InvalidArgument(
            f"sharpe_ratios should have shape (n_candidates, n_folds), has {sharpe_ratios.shape}"
        )
    n_candidates, n_folds = sharpe_ratios.shape
    if n_trades.shape != (n_candidates,):
        raise InvalidArgument(f"n_trades should have shape ({n_candidates},), has {n_trades.shape}")
    is_defined = np.isfinite(sharpe_ratios).all(axis=1) & (n_trades >= options.min_trades)
    ratios = np.where(is_defined[:, None], sharpe_ratios, 0.0)
    spread = ratios.std(axis=1, ddof=1) if n_folds > 1 else np.zeros(n_candidates)
    return np.where(is_defined, ratios.mean(axis=1) - options.spread_penalty * spread, -np.inf)
