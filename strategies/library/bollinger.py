"""Bollinger breakout: follow a close that leaves its bands."""

from collections.abc import Sequence

from strategies.library.base import Parameter, ThresholdFamily
from trainingday.backtest.indicators import z_score_nb
from trainingday.backtest.moments import first_bar_read
from trainingday.backtest.thresholds import symmetric
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class Bollinger(ThresholdFamily):
    """Long from above the upper band until below `exit` deviations; short the other way round."""

    name = "bollinger"
    title = "Bollinger breakout"
    meaning = "Long once the close is above the upper band, short once below the lower, out near the mean."
    source = (
        "Bollinger (2001), Bollinger on Bollinger Bands, method I (volatility breakout);"
        " exit at a share of the band as in Faith (2007), Way of the Turtle."
    )
    parameters = (
        Parameter("window", 3, 500, 20, True, True, "Bars of the mean and the deviation (ddof 0)."),
        Parameter("deviations", 0.5, 4.0, 2.0, False, False, "Half the width of the bands."),
        Parameter("exit", 0.0, 0.9, 0.0, False, False, "Where to leave, a share of the band; 0 is the mean."),
    )
    indicator_parameters = ("window",)

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        out: FloatArray = z_score_nb(bars.close, int(settings[0]))
        return out

    def first_bar_read(self, settings: Sequence[float], bar: int) -> int:
        return first_bar_read([int(settings[0])], bar)

    def thresholds(self, table: FloatArray) -> FloatArray:
        return symmetric(enter=table[:, 1], leave=table[:, 1] * table[:, 2])
