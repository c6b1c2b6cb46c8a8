"""Moving-average cross: follow the fast mean of closes against the slow one."""

from collections.abc import Sequence

from strategies.library.base import Parameter, ThresholdFamily
from trainingday.backtest.indicators import rolling_mean_nb
from trainingday.backtest.moments import first_bar_read
from trainingday.backtest.thresholds import symmetric
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class MovingAverageCross(ThresholdFamily):
    """Long while the fast mean is more than `band` above the slow one, short while below, else flat."""

    name = "moving_average_cross"
    title = "Moving-average cross"
    meaning = "Long while the fast mean of closes is above the slow mean by the band, short while below."
    source = (
        "Brock, Lakonishok & LeBaron (1992), Simple technical trading rules and the stochastic properties"
        " of stock returns, Journal of Finance 47: variable-length moving average with a band."
    )
    parameters = (
        Parameter("fast", 2, 50, 50, True, True, "Bars of the fast mean."),
        Parameter("slow", 51, 500, 200, True, True, "Bars of the slow mean."),
        Parameter("band", 0.0, 0.05, 0.0, False, False, "Distance that a cross must exceed, a fraction."),
    )
    indicator_parameters = ("fast", "slow")

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        fast, slow = (rolling_mean_nb(bars.close, int(window)) for window in settings)
        out: FloatArray = fast / slow - 1.0
        return out

    def first_bar_read(self, settings: Sequence[float], bar: int) -> int:
        return first_bar_read([int(window) for window in settings], bar)

    def thresholds(self, table: FloatArray) -> FloatArray:
        return symmetric(enter=table[:, 2], leave=table[:, 2])
