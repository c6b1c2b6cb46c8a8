"""The rule that most families share: enter beyond one threshold of an indicator, leave at another."""

from __future__ import annotations

import numpy as np
from numba import njit

from trainingday.typing import FloatArray

# Columns of a table of thresholds, one row per candidate.
ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT = range(4)
NEVER = np.inf


@njit(cache=True, nogil=True)
def _memoryless_nb(
    indicator: FloatArray, enter_long: float, enter_short: float, positions: FloatArray
) -> bool:
    """Write positions that depend on their own bar alone; return whether no NaN follows a number."""
    first = 0
    while first < indicator.shape[0] and indicator[first] != indicator[first]:
        positions[first] = 0.0
        first += 1
    # Without branches, so that several bars are compared at once.
    n_missing = 0
    values, out = indicator[first:], positions[first:]
    for bar in range(values.shape[0]):
        value = values[bar]
        n_missing += 1 if value != value else 0
        out[bar] = (1.0 if value > enter_long else 0.0) - (1.0 if value < enter_short else 0.0)
    return n_missing == 0


@njit(cache=True, nogil=True)
def threshold_positions_nb(
    indicator: FloatArray, enter_long: float, exit_long: float, enter_short: float, exit_short: float
) -> FloatArray:
    """Return positions -1, 0 or 1 of shape (n_bars,) from an indicator and four thresholds.

    Notes
    -----
    On each bar: long if the indicator is above `enter_long`; else short if it is below `enter_short`;
    else flat if it leaves a long at or below `exit_long` or a short at or above `exit_short`; else as
    before. NaN (the warm-up) changes nothing, so the warm-up is flat. `exit_long` of minus infinity
    holds a long until the opposite entry.
    """
    positions = np.empty(indicator.shape[0])
    is_memoryless = exit_long == enter_long and exit_short == enter_short and enter_short <= enter_long
    if is_memoryless and _memoryless_nb(indicator, enter_long, enter_short, positions):
        return positions
    position = 0.0
    for bar in range(indicator.shape[0]):
        value = indicator[bar]
        if value > enter_long:
            position = 1.0
        elif value < enter_short:
            position = -1.0
        elif (position > 0.0 and value <= exit_long) or (position < 0.0 and value >= exit_short):
            position = 0.0
        positions[bar] = position
    return positions


def symmetric(enter: FloatArray, leave: FloatArray | float) -> FloatArray:
    """Return thresholds of shape (n_candidates, 4) that treat long and short alike.

    Parameters
    ----------
    enter : ndarray of shape (n_candidates,)
        Long above it, short below its negative; >= 0.
    leave : ndarray of shape (n_candidates,) or float
        A long ends at or below it, a short at or above its negative.
    """
    table = np.empty((enter.shape[0], 4))
    table[:, ENTER_LONG] = enter
    table[:, EXIT_LONG] = leave
    table[:, ENTER_SHORT] = -enter
    table[:, EXIT_SHORT] = -np.asarray(leave)
    return table
