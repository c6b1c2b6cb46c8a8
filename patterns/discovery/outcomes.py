"""Outcomes: what a position decided on a bar would have earned over the next bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class BaseRate:
    """What the same trade did on every bar of a segment, pattern or not.

    Attributes
    ----------
    n : outcomes.
    success_rate : share of successes, fraction; None without outcomes.
    mean_scaled_outcome : mean outcome of the price in volatility units; None without outcomes.
    mean_net_return : mean return of the position after costs, fraction; None without outcomes.
    """

    n: int
    success_rate: float | None
    mean_scaled_outcome: float | None
    mean_net_return: float | None


def forward_log_returns(bars: Bars, horizon: int) -> FloatArray:
    """Return the log return of holding for `horizon` bars from the next open.

    Decided at bar t, entered at the open of t + 1, left at the open of t + 1 + horizon.

    Returns
    -------
    ndarray of shape (n_bars,)
        NaN where the exit lies beyond the last bar or bars are missing between decision and exit.

    Raises
    ------
    InvalidArgument
        If horizon < 1.
    """
    if horizon < 1:
        raise InvalidArgument(f"horizon should be >= 1 bar, is {horizon}")
    forward = np.full(len(bars), np.nan)
    n_known = len(bars) - horizon - 1
    if n_known > 0:
        log_open = np.log(bars.open)
        np.subtract(log_open[1 + horizon :], log_open[1 : 1 + n_known], out=forward[:n_known])
        if bars.gap_before.any():
            n_gaps = gap_counts(bars)
            forward[:n_known][n_gaps[1 + horizon :] != n_gaps[:n_known]] = np.nan
    return forward


def gap_counts(bars: Bars) -> IntArray:
    """Return the number of gaps up to each bar, shape (n_bars,): equal at two bars if none is between."""
    return np.cumsum(bars.gap_before, dtype=np.int64)


def scaled_outcomes(forward: FloatArray, volatility: FloatArray, horizon: int) -> FloatArray:
    """Return forward log returns in units of what volatility at the decision lets one expect.

    Parameters
    ----------
    forward : ndarray of shape (n_bars,), from `forward_log_returns`
    volatility : ndarray of shape (n_bars,), per bar, known at the decision; NaN where undefined
    """
    scaled: FloatArray = forward / (volatility * np.sqrt(horizon))
    return scaled


def thin_mask(is_occurrence: BoolArray, horizon: int, last_kept: int | None = None) -> IntArray:
    """Return the bars of the occurrences kept, each at least `horizon` bars after the one before.

    Parameters
    ----------
    is_occurrence : ndarray of shape (n_bars,)
    last_kept : bar of an earlier kept occurrence, may be negative; None for none.
    """
    occurrences = np.flatnonzero(is_occurrence)
    start = -horizon if last_kept is None else last_kept
    kept: IntArray = occurrences[_thin_nb(occurrences, horizon, start)]
    return kept


@njit(cache=True, nogil=True)
def _thin_nb(occurrences, horizon, last):  # type: ignore[no-untyped-def]
    is_kept = np.zeros(occurrences.shape[0], dtype=np.bool_)
    for i in range(occurrences.shape[0]):
        if occurrences[i] - last >= horizon:
            is_kept[i] = True
            last = occurrences[i]
    return is_kept
