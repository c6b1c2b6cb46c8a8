"""RSI: trade against an overbought or oversold market, until it is balanced."""

from collections.abc import Sequence

import numpy as np

from strategies.library.base import Parameter, ThresholdFamily
from trainingday.backtest.indicators import relative_strength_nb
from trainingday.backtest.thresholds import ENTER_LONG, ENTER_SHORT
from trainingday.bars import Bars
from trainingday.typing import FloatArray

BALANCE = 50.0


class RelativeStrength(ThresholdFamily):
    """Long from an index below `oversold` until 50, short from one above `overbought` until 50."""

    name = "rsi"
    title = "Relative strength index"
    meaning = "Long once the index is below oversold, short once above overbought, out again at 50."
    source = "Wilder (1978), New Concepts in Technical Trading Systems; exit at the middle of the scale."
    parameters = (
        Parameter("window", 2, 200, 14, True, True, "Bars of Wilder's smoothing."),
        Parameter("oversold", 5, 49, 30, False, False, "Index below which to go long."),
        Parameter("overbought", 51, 95, 70, False, False, "Index above which to go short."),
    )
    indicator_parameters = ("window",)

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        # Turned over, so that "high" asks for a long as in every other family.
        out: FloatArray = BALANCE - relative_strength_nb(bars.close, int(settings[0]))
        return out

    def thresholds(self, table: FloatArray) -> FloatArray:
        out = np.zeros((table.shape[0], 4))
        out[:, ENTER_LONG] = BALANCE - table[:, 1]
        out[:, ENTER_SHORT] = BALANCE - table[:, 2]
        return out
