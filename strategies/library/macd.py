"""MACD: follow the sign of the histogram."""

from collections.abc import Sequence

from strategies.library.base import Parameter, ThresholdFamily
from trainingday.backtest.indicators import macd_histogram_nb
from trainingday.backtest.thresholds import symmetric
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class Macd(ThresholdFamily):
    """Long while the MACD line is more than `band` above its signal line, short while below, else flat."""

    name = "macd"
    title = "MACD"
    meaning = "Long while the MACD line is above its signal line by the band, short while below."
    source = "Appel (2005), Technical Analysis: Power Tools for Active Investors; the band is 0 there."
    parameters = (
        Parameter("fast", 2, 20, 12, True, True, "Bars of the fast exponential mean."),
        Parameter("slow", 21, 200, 26, True, True, "Bars of the slow exponential mean."),
        Parameter("signal", 2, 100, 9, True, True, "Bars of the signal line's exponential mean."),
        Parameter("band", 0.0, 0.01, 0.0, False, False, "Distance to exceed, a fraction of the close."),
    )
    indicator_parameters = ("fast", "slow", "signal")

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        fast, slow, signal = (int(window) for window in settings)
        out: FloatArray = macd_histogram_nb(bars.close, fast, slow, signal) / bars.close
        return out

    def thresholds(self, table: FloatArray) -> FloatArray:
        return symmetric(enter=table[:, 3], leave=table[:, 3])
