"""Momentum: follow the return over a lookback when it is large enough."""

from collections.abc import Sequence

from strategies.library.base import Parameter, ThresholdFamily
from trainingday.backtest.indicators import momentum_nb
from trainingday.backtest.thresholds import symmetric
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class Momentum(ThresholdFamily):
    """Long while the return over `lookback` bars is above `threshold`, short below its negative, else flat."""

    name = "momentum"
    title = "Momentum"
    meaning = "Long while the return over the lookback is above the threshold, short while below minus it."
    source = (
        "Moskowitz, Ooi & Pedersen (2012), Time series momentum, Journal of Financial Economics 104;"
        " here with a threshold and without their volatility scaling."
    )
    parameters = (
        Parameter("lookback", 2, 500, 20, True, True, "Bars over which the return is measured."),
        Parameter(
            "threshold", 0.0005, 0.2, 0.02, False, True, "Smallest return that is followed, a fraction."
        ),
    )
    indicator_parameters = ("lookback",)

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        out: FloatArray = momentum_nb(bars.close, int(settings[0]))
        return out

    def first_bar_read(self, settings: Sequence[float], bar: int) -> int:
        return max(bar - int(settings[0]), 0)

    def thresholds(self, table: FloatArray) -> FloatArray:
        return symmetric(enter=table[:, 1], leave=table[:, 1])
