"""Positions from channels of prices: enter beyond one channel, leave through another."""

from __future__ import annotations

import numpy as np
from numba import njit

from trainingday.typing import FloatArray

# Columns of a table of channels, one row per candidate.
ENTER, LEAVE = range(2)


@njit(cache=True, nogil=True)
def channel_positions_nb(
    since_high: FloatArray, since_low: FloatArray, enter: float, leave: float
) -> FloatArray:
    """Return positions -1, 0 or 1, shape (n_bars,): in beyond the entry channel, out through the exit one.

    Parameters
    ----------
    since_high, since_low : ndarray of shape (n_bars,)
        Bars since a high was as high, and a low as low, as the close: `bars_since_as_high_nb`.
    enter, leave : float
        Bars of the channels; long above the entry channel until below the exit channel, and mirrored.
    """
    positions = np.empty(since_high.shape[0])
    position = 0.0
    for bar in range(since_high.shape[0]):
        if since_high[bar] > enter:
            position = 1.0
        elif since_low[bar] > enter:
            position = -1.0
        elif (position > 0.0 and since_low[bar] > leave) or (position < 0.0 and since_high[bar] > leave):
            position = 0.0
        positions[bar] = position
    return positions
