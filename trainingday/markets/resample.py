"""Coarser bars from finer ones."""

from __future__ import annotations

import numpy as np

from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.markets.intervals import DAY, MICROSECONDS, WEEK, interval_name, interval_seconds
from trainingday.typing import IntArray

THURSDAY = 3 * DAY * MICROSECONDS  # 1970-01-01 was a Thursday; weeks begin on Monday


def resample(bars: Bars, interval: int, target: int | str, *, keep_partial: bool = False) -> Bars:
    """Return bars of a coarser interval.

    Parameters
    ----------
    bars : Bars
        Bars of `interval` seconds.
    interval : int
        Length of the given bars in seconds.
    target : int or str
        Length of the wanted bars; a multiple of `interval`.
    keep_partial : bool
        Keep a last bar whose end the data does not reach. The default drops it, as it is not finished.

    Returns
    -------
    Bars
        Stamped with the start of each target period in UTC (weeks begin on Monday 00:00): the first open,
        the highest high, the lowest low, the last close, the sum of volumes. Periods without any bar are
        absent; `gap_before` is set after them and where the given bars had a gap inside or before.

    Raises
    ------
    InvalidArgument
        If the target is not a multiple of the interval, or no target bar is complete.
    """
    seconds = interval_seconds(target)
    if seconds % interval or seconds < interval:
        raise InvalidArgument(
            f"target should be a multiple of {interval_name(interval)}, is {interval_name(seconds)}"
        )
    if seconds == interval:
        return bars
    step = seconds * MICROSECONDS
    shift = THURSDAY if seconds == WEEK else 0
    periods = (bars.timestamps + shift) // step
    starts = np.flatnonzero(np.concatenate(([True], np.diff(periods) > 0)))
    if not keep_partial and not _is_finished(bars.timestamps, periods, interval, step, shift):
        end = int(starts[-1])
        bars, starts = bars[:end], starts[:-1]
    if starts.size == 0:
        raise InvalidArgument(
            f"target should leave at least 1 complete bar, {interval_name(seconds)} leaves 0"
        )
    return _aggregate(bars, starts, periods[starts] * step - shift)


def _is_finished(stamps: IntArray, periods: IntArray, interval: int, step: int, shift: int) -> bool:
    """Return whether the last bar reaches the end of its target period."""
    end_of_period = (int(periods[-1]) + 1) * step - shift
    return int(stamps[-1]) + interval * MICROSECONDS >= end_of_period


def _aggregate(bars: Bars, starts: IntArray, stamps: IntArray) -> Bars:
    ends = np.concatenate((starts[1:], [len(bars)])) - 1
    gaps = np.logical_or.reduceat(bars.gap_before, starts)
    gaps[0] = False
    return Bars(
        timestamps=stamps,
        open=bars.open[starts],
        high=np.maximum.reduceat(bars.high, starts),
        low=np.minimum.reduceat(bars.low, starts),
        close=bars.close[ends],
        volume=np.add.reduceat(bars.volume, starts),
        gap_before=gaps,
    )
