"""Mean reversion: trade against a price far from its mean, until it is back."""

from collections.abc import Sequence

from strategies.library.base import Parameter, ThresholdFamily
from trainingday.backtest.indicators import z_score_nb
from trainingday.backtest.moments import first_bar_read
from trainingday.backtest.thresholds import symmetric
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class MeanReversion(ThresholdFamily):
    """Long from `deviation` standard deviations below the mean until the mean; short the other way round."""

    name = "mean_reversion"
    title = "Mean reversion"
    meaning = "Long once the close is the deviation below its mean, short once above, out again at the mean."
    source = (
        "Chan (2013), Algorithmic Trading, chapter 3: Bollinger-band mean reversion with entry z-score"
        " `deviation` and exit z-score 0; deviation with ddof 0."
    )
    parameters = (
        Parameter("window", 3, 500, 50, True, True, "Bars of the mean and the deviation."),
        Parameter("deviation", 0.5, 4.0, 2.0, False, False, "Distance at which to enter, in deviations."),
    )
    indicator_parameters = ("window",)

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        out: FloatArray = -z_score_nb(bars.close, int(settings[0]))
        return out

    def first_bar_read(self, settings: Sequence[float], bar: int) -> int:
        return first_bar_read([int(settings[0])], bar)

    def thresholds(self, table: FloatArray) -> FloatArray:
        return symmetric(enter=table[:, 1], leave=0.0)
