"""Buy and hold: the baseline that a strategy must be worth more than."""

from collections.abc import Mapping

import numpy as np

from strategies.library.base import Family
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class BuyAndHold(Family):
    """Long from the first fill to the end."""

    name = "buy_and_hold"
    title = "Buy and hold"
    meaning = "Always long: what the market itself earned, after one entry's costs."
    source = "The usual passive baseline; Sharpe (1991), The arithmetic of active management."

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
        return np.ones(len(bars))
