"""Breakout: follow a close that leaves a channel of average true ranges."""

from collections.abc import Sequence

from strategies.library.base import Parameter, ThresholdFamily
from trainingday.backtest.indicators import channel_distance_nb
from trainingday.backtest.thresholds import symmetric
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class Breakout(ThresholdFamily):
    """Long from `multiplier` average true ranges above the mean until the mean; short the other way round."""

    name = "breakout"
    title = "Breakout"
    meaning = "Long once the close is the multiplier of average true ranges above its mean, out at the mean."
    source = (
        "Faith (2007), Way of the Turtle, ATR channel breakout with exit at the moving average;"
        " average true range of Wilder (1978), New Concepts in Technical Trading Systems."
        " Mean and range share one period, as the seed's defaults have one."
    )
    parameters = (
        Parameter("period", 3, 500, 14, True, True, "Bars of the mean and of the average true range."),
        Parameter("multiplier", 0.25, 6.0, 1.5, False, False, "Half the channel's width, in true ranges."),
    )
    indicator_parameters = ("period",)

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        out: FloatArray = channel_distance_nb(bars.high, bars.low, bars.close, int(settings[0]))
        return out

    def thresholds(self, table: FloatArray) -> FloatArray:
        return symmetric(enter=table[:, 1], leave=0.0)
