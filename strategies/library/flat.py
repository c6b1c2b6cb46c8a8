"""Flat: the baseline that never trades."""

from collections.abc import Mapping

import numpy as np

from strategies.library.base import Family
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class Flat(Family):
    """No position, ever."""

    name = "flat"
    title = "Flat"
    meaning = "Never in the market: what doing nothing earns."
    source = "The zero baseline of the promotion gate."

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
        return np.zeros(len(bars))
