"""Volatility-filtered trend: follow the trend, but only while the market is calm."""

from collections.abc import Sequence

from strategies.library.base import Parameter, ThresholdFamily
from trainingday.backtest.indicators import calm_distance_nb
from trainingday.backtest.thresholds import symmetric
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class FilteredTrend(ThresholdFamily):
    """Long above the mean and short below it, flat while recent volatility is high against its past."""

    name = "filtered_trend"
    title = "Volatility-filtered trend"
    meaning = "Follow the close against its mean, flat while recent volatility is above the usual."
    source = (
        "Trend: Faber (2007), A quantitative approach to tactical asset allocation. Filter: after Barroso &"
        " Santa-Clara (2015), Momentum has its moments, who scale by volatility where this switches off."
    )
    parameters = (
        Parameter("window", 5, 500, 100, True, True, "Bars of the mean that the close is held against."),
        Parameter("calm", 5, 100, 24, True, True, "Bars of the recent volatility."),
        Parameter("usual", 101, 1000, 240, True, True, "Bars of the usual volatility."),
        Parameter(
            "ceiling", 0.5, 3.0, 1.25, False, False, "Largest recent over usual volatility to trade in."
        ),
        Parameter("band", 0.0, 0.05, 0.0, False, False, "Distance from the mean to exceed, a fraction."),
    )
    indicator_parameters = ("window", "calm", "usual", "ceiling")

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        window, calm, usual = (int(setting) for setting in settings[:3])
        out: FloatArray = calm_distance_nb(bars.close, bars.log_returns, window, calm, usual, settings[3])
        return out

    def thresholds(self, table: FloatArray) -> FloatArray:
        return symmetric(enter=table[:, 4], leave=table[:, 4])
