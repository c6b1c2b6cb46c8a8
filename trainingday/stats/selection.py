"""What a search adds to luck: overfitting probability (PBO), superior predictive ability (SPA), StepM."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.stats.returns import as_series
from trainingday.typing import FloatArray

N_BLOCKS = 16
CHUNK_CANDIDATES = 512  # bounds the (combinations x candidates) matrices to about 100 MB each


@dataclass(frozen=True)
class Overfitting:
    """Result of combinatorially symmetric cross-validation.

    Attributes
    ----------
    probability : float
        Share of splits in which the in-sample winner ranks at or below the median out of sample.
    median_rank : float
        Median relative rank of the in-sample winner out of sample, 0 to 1.
    probability_of_loss : float
        Share of splits in which the in-sample winner has a Sharpe ratio below 0 out of sample.
    n_splits, n_candidates, n_bars : int
        `n_bars` is what was used: a multiple of the number of blocks.
    """

    probability: float
    median_rank: float
    probability_of_loss: float
    n_splits: int
    n_candidates: int
    n_bars: int


def overfitting_probability(returns: FloatArray, n_blocks: int = N_BLOCKS) -> Overfitting | None:
    """Return the probability of backtest overfitting over a set of candidates.

    Parameters
    ----------
    returns : ndarray of shape (n_bars, n_candidates)
        Per-bar net returns of every candidate that was tried, on the same bars, >= 2 candidates.
    n_blocks : int
        Even number of time blocks, 4 to 16; the oldest bars that fill no whole block are dropped.

    Returns
    -------
    Overfitting or None
        None where blocks would hold fewer than 2 bars or a return is not finite.

    Notes
    -----
    Bailey, Borwein, López de Prado & Zhu (2017), CSCV, performance = Sharpe ratio. Ties count half, so
    that identical candidates give 0.5 and not luck. A diagnostic: on noise it is 0.49 +- 0.21.
    """
    table = _checked_table(returns, "returns")
    if table.shape[1] < 2:
        raise InvalidArgument(f"returns should hold >= 2 candidates, holds {table.shape[1]}")
    moments = block_moments(table, n_blocks)
    return None if moments is None else overfitting_probability_from_blocks(*moments)


class BlockMoments(NamedTuple):
    """Bars, sum and sum of squares of returns in equal time blocks, oldest first.

    `n_bars` is the number of bars in each block; the arrays have shape (n_blocks, n_candidates).
    """

    n_bars: int
    sums: FloatArray
    squares: FloatArray


def block_moments(returns: FloatArray, n_blocks: int = N_BLOCKS) -> BlockMoments | None:
    """Return what the probability of overfitting needs to know of returns, in place of the returns.

    Parameters
    ----------
    returns : ndarray of shape (n_bars, n_candidates)
        Per-bar net returns.
    n_blocks : int
        Even number of time blocks, 4 to 16; the oldest bars that fill no whole block are dropped.

    Returns
    -------
    BlockMoments or None
        None where blocks would hold fewer than 2 bars or a return is not finite.
    """
    table = _checked_table(returns, "returns")
    _check_n_blocks(n_blocks)
    length = table.shape[0] // n_blocks
    if length < 2 or not np.isfinite(table).all():
        return None
    blocks = table[table.shape[0] - length * n_blocks :].reshape(n_blocks, length, -1)
    return BlockMoments(length, blocks.sum(axis=1), (blocks**2).sum(axis=1))


def overfitting_probability_from_blocks(
    n_bars: int, sums: FloatArray, squares: FloatArray
) -> Overfitting | None:
    """Return the probability of backtest overfitting from the moments of equal time blocks.

    Parameters
    ----------
    n_bars : int
        Bars in each block, >= 2.
    sums, squares : ndarray of shape (n_blocks, n_candidates)
        Sums of the returns and of their squares in each block, oldest first, >= 2 candidates.

    Returns
    -------
    Overfitting or None
        None where a sum is not finite.

    Notes
    -----
    See `overfitting_probability`: a Sharpe ratio of whole blocks needs no more than these sums.
    """
    first, second = _checked_table(sums, "sums"), _checked_table(squares, "squares")
    if first.shape != second.shape:
        raise InvalidArgument(f"squares should have shape {first.shape}, has {second.shape}")
    _check_n_blocks(first.shape[0])
    if first.shape[1] < 2:
        raise InvalidArgument(f"sums should hold >= 2 candidates, holds {first.shape[1]}")
    if n_bars < 2:
        raise InvalidArgument(f"n_bars should be >= 2, is {n_bars}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return None
    sharpe = _split_sharpe_ratios(n_bars, first, second)
    n_splits, n_candidates = sharpe.shape
    winners = sharpe.argmax(axis=1)
    # itertools lists complements in mirrored order: what a split leaves out is the mirrored split.
    out_of_sample = sharpe[::-1]
    won = out_of_sample[np.arange(n_splits), winners]
    below = (out_of_sample < won[:, None]).sum(axis=1)
    equal = (out_of_sample == won[:, None]).sum(axis=1)
    ranks = (below + 0.5 * (equal + 1)) / (n_candidates + 1)
    # An exact tie with the median is neither above nor below it.
    probability = float(np.mean(ranks < 0.5) + 0.5 * np.mean(ranks == 0.5))
    return Overfitting(
        probability,
        float(np.median(ranks)),
        float(np.mean(won < 0)),
        n_splits,
        n_candidates,
        n_bars * int(first.shape[0]),
    )


def _check_n_blocks(n_blocks: int) -> None:
    if n_blocks % 2 or not 4 <= n_blocks <= 16:
        raise InvalidArgument(f"n_blocks should be even and 4..16, is {n_blocks}")


@lru_cache(maxsize=4)
def _splits(n_blocks: int) -> FloatArray:
    chosen = list(itertools.combinations(range(n_blocks), n_blocks // 2))
    masks = np.zeros((len(chosen), n_blocks))
    masks[np.arange(len(chosen))[:, None], np.array(chosen)] = 1.0
    return masks


def _split_sharpe_ratios(n_bars: int, sums: FloatArray, squares: FloatArray) -> FloatArray:
    """Return Sharpe ratios per bar of every split and candidate, shape (n_splits, n_candidates)."""
    n_blocks, n_candidates = sums.shape
    masks = _splits(n_blocks)
    half = n_bars * n_blocks / 2
    # What rounding leaves of a variance is no variance; a candidate that never trades stays 0.
    floor = 1e-12 * squares.sum(axis=0) / (2 * half)
    ratios = np.empty((masks.shape[0], n_candidates))
    for start in range(0, n_candidates, CHUNK_CANDIDATES):
        part = slice(start, start + CHUNK_CANDIDATES)
        mean = masks @ sums[:, part] / half
        variance = masks @ squares[:, part] / half - mean**2
        is_defined = variance > floor[part]
        ratios[:, part] = np.where(is_defined, mean / np.sqrt(np.where(is_defined, variance, 1.0)), 0.0)
    return ratios


@dataclass(frozen=True)
class SuperiorAbility:
    """Result of Hansen's test that no candidate beats the benchmark.

    Attributes
    ----------
    p_value : float
        Consistent p-value; `p_lower` and `p_upper` bound it.
    p_lower, p_upper : float
    best : int
        Column of the candidate with the largest statistic.
    n_candidates, n_bars, block_length, n_draws : int
    """

    p_value: float
    p_lower: float
    p_upper: float
    best: int
    n_candidates: int
    n_bars: int
    block_length: int
    n_draws: int


def superior_predictive_ability(
    returns: FloatArray,
    benchmark: FloatArray,
    *,
    rng: np.random.Generator,
    n_draws: int = 1_000,
    block_length: int | None = None,
    is_scaled: bool = True,
) -> SuperiorAbility | None:
    """Return Hansen's SPA test of a *fixed* population against a benchmark.

    Parameters
    ----------
    returns : ndarray of shape (n_bars, n_candidates)
        Per-bar net returns; the population must have been fixed before the bars were seen. Over
        candidates that a search visited the test is wrong (size 19 to 21 % at 5 %).
    benchmark : ndarray of shape (n_bars,)
        Returns to beat on the same bars; zeros for doing nothing.
    rng : numpy.random.Generator
        Source of the bootstrap weights.
    n_draws : int
        Bootstrap draws, >= 100.
    block_length : int, optional
        Bars per block; by default n_bars ** (1/3), rounded.
    is_scaled : bool
        Divide each candidate by the deviation of its lead, so that volatile candidates do not dominate.
        False is arch's SPA.

    Returns
    -------
    SuperiorAbility or None
        None where a return is not finite or no candidate differs from the benchmark.

    Notes
    -----
    Hansen (2005). Bars are summed in consecutive blocks once; a draw is a multinomial weight per block,
    so that all draws of all candidates are one matrix product. Departs from the paper in scaling by the
    plain deviation: a block standard error is so noisy that its largest t-value rejects 7 to 8 % of
    null populations at 5 %, the plain one 6 %.
    """
    table, others = _checked_table(returns, "returns"), as_series(benchmark, "benchmark")
    n_bars = int(table.shape[0])
    if others.shape[0] != n_bars:
        raise InvalidArgument(f"benchmark should hold {n_bars} returns, holds {others.shape[0]}")
    if n_draws < 100:
        raise InvalidArgument(f"n_draws should be >= 100, is {n_draws}")
    length = block_length or max(1, round(n_bars ** (1.0 / 3.0)))
    if not 1 <= length <= n_bars // 8:
        raise InvalidArgument(f"block_length should be 1..{n_bars // 8}, is {length}")
    if not (np.isfinite(table).all() and np.isfinite(others).all()):
        return None
    lead = table - others[:, None]
    mean = lead.mean(axis=0)
    shifts = _bootstrap_shifts(lead, mean, length, n_draws, rng)
    deviation = lead.std(axis=0)
    is_live = deviation > 1e-15
    if not is_live.any():
        return None
    scale = deviation[is_live] if is_scaled else np.ones(int(is_live.sum()))
    leads = mean[is_live] / scale
    lower, consistent, upper = _hansen(leads, shifts[:, is_live] / scale, n_bars)
    best = int(np.flatnonzero(is_live)[leads.argmax()])
    return SuperiorAbility(consistent, lower, upper, best, int(table.shape[1]), n_bars, length, n_draws)


def _bootstrap_shifts(
    lead: FloatArray, mean: FloatArray, length: int, n_draws: int, rng: np.random.Generator
) -> FloatArray:
    """Return bootstrapped minus observed mean leads, shape (n_draws, n_candidates)."""
    n_bars = lead.shape[0]
    starts = np.arange(0, n_bars, length)
    sums = np.add.reduceat(lead, starts, axis=0)
    # The last block may be short: centring each block by its own length keeps the shifts unbiased.
    sums -= mean * np.diff(np.append(starts, n_bars))[:, None]
    weights = rng.multinomial(starts.shape[0], np.full(starts.shape[0], 1.0 / starts.shape[0]), size=n_draws)
    shifts: FloatArray = weights.astype(np.float64) @ sums / n_bars
    return shifts


def _hansen(mean: FloatArray, shifts: FloatArray, n_bars: int) -> tuple[float, float, float]:
    """Return Hansen's lower, consistent and upper p-value of the largest mean."""
    # A candidate this far below the benchmark cannot bind; only the others are recentred fully.
    hopeless = mean < -shifts.std(axis=0) * math.sqrt(2.0 * math.log(math.log(n_bars)))
    p_values = []
    for offset in (np.minimum(mean, 0.0), np.where(hopeless, mean, 0.0), np.zeros_like(mean)):
        exceeding = int(np.count_nonzero((shifts + offset).max(axis=1) >= mean.max()))
        p_values.append((1 + exceeding) / (shifts.shape[0] + 1))
    return p_values[0], p_values[1], p_values[2]


def superior_candidates(
    returns: FloatArray,
    benchmark: FloatArray,
    *,
    seed: int,
    level: float = 0.05,
    n_draws: int = 1_000,
    block_length: int | None = None,
) -> list[int]:
    """Return the columns that beat the benchmark with family-wise error <= `level`, by arch's StepM.

    Parameters
    ----------
    returns : ndarray of shape (n_bars, n_candidates)
        Per-bar net returns of a *fixed* population.
    benchmark : ndarray of shape (n_bars,)
        Returns to beat on the same bars.
    seed : int
        Of the stationary bootstrap.

    Notes
    -----
    Romano & Wolf (2005). Columns are divided by the deviation of their lead first, since arch compares
    raw means. Slow (seconds on 5,000 x 200): for a report, never for a page.
    """
    from arch.bootstrap import StepM

    table, others = _checked_table(returns, "returns"), as_series(benchmark, "benchmark")
    if others.shape[0] != table.shape[0]:
        raise InvalidArgument(f"benchmark should hold {table.shape[0]} returns, holds {others.shape[0]}")
    if not 0.0 < level < 1.0:
        raise InvalidArgument(f"level should be > 0 and < 1, is {level}")
    if not (np.isfinite(table).all() and np.isfinite(others).all()):
        raise InvalidArgument("returns should be finite, are not")
    lead = table - others[:, None]
    deviation = lead.std(axis=0)
    live = np.flatnonzero(deviation > 1e-15)
    if live.size == 0:
        return []
    # arch compares losses: minus a return.
    losses = -lead[:, live] / deviation[live]
    length = block_length or max(1, round(table.shape[0] ** (1.0 / 3.0)))
    test = StepM(np.zeros(table.shape[0]), losses, size=level, block_size=length, reps=n_draws, seed=seed)
    test.compute()
    superior = live[np.asarray(test.superior_models, dtype=np.int64)]
    return [int(column) for column in superior]


def _checked_table(returns: FloatArray, name: str) -> FloatArray:
    table = np.ascontiguousarray(returns, dtype=np.float64)
    if table.ndim != 2 or 0 in table.shape:
        raise InvalidArgument(f"{name} should have shape (n_bars, n_candidates), has {table.shape}")
    return table
