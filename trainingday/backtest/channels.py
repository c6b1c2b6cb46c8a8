"""Positions from channels of prices: enter beyond one channel, leave through another."""

from __future__ import annotations

import numpy as np
from numba import njit

from trainingday.typing import FloatArray


@njit(cache=True, nogil=True)
def channel_positions_nb(
    close: FloatArray,
    entry_high: FloatArray,
    entry_low: FloatArray,
    exit_high: FloatArray,
    exit_low: FloatArray,
) -> FloatArray:
    """Return positions -1, 0 or 1, shape (n_bars,): in beyond the entry channel, out through the exit one.

    Notes
    -----
    Comparisons with NaN (a channel's warm-up) are false: no entry, and no exit until that channel exists.
    """
    positions = np.empty(close.shape[0])
    position = 0.0
    for bar in range(close.shape[0]):
        if close[bar] > entry_high[bar]:
            position = 1.0
        elif close[bar] < entry_low[bar]:
            position = -1.0
        elif (position > 0.0 and close[bar] < exit_low[bar]) or (
            position < 0.0 and close[bar] > exit_high[bar]
        ):
            position = 0.0
        positions[bar] = position
    return positions
