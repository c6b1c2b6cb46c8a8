"""Outcomes: what a position decided on a bar would have earned over the next bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import BoolArray, FloatArray, IntArray

_BLOCK = 1024


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
    forward = np.empty(len(bars))
    _forward_nb(np.ascontiguousarray(bars.open), horizon, forward)
    n_known = len(bars) - horizon - 1
    if n_known > 0 and bars.gap_before.any():
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


@njit(cache=True, nogil=True, error_model="numpy")
def _forward_nb(price, horizon, forward):  # type: ignore[no-untyped-def]
    """log(b / a) = 2 artanh((b - a) / (b + a)): a short series for usual moves, which compiles to vectors.

    Cut after s^11, the relative error at |s| = 0.05, a move of 10 %, is 2e-17; larger moves use log.
    """
    n_known = max(price.shape[0] - horizon - 1, 0)
    for start in range(0, n_known, _BLOCK):
        stop = min(start + _BLOCK, n_known)
        n_large = 0
        for bar in range(start, stop):
            a, b = price[bar + 1], price[bar + 1 + horizon]
            s = (b - a) / (b + a)
            z = s * s
            tail = 1 / 3 + z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11))))
            forward[bar] = 2 * s * (1 + z * tail)
            n_large += z > 0.0025
        if n_large:
            for bar in range(start, stop):
                a, b = price[bar + 1], price[bar + 1 + horizon]
                if abs(b - a) > 0.049 * (b + a):
                    forward[bar] = np.log(b / a)
    forward[n_known:] = np.nan
