"""Donchian: follow a close beyond the highest high or the lowest low of recent bars."""

from collections.abc import Mapping

from strategies.library.base import Family, Parameter
from trainingday.backtest.channels import channel_positions_nb
from trainingday.backtest.indicators import bars_since_as_high_nb, bars_since_as_low_nb
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class Donchian(Family):
    """Long above the highest high of `entry` bars until below the lowest low of `exit` bars; and mirrored."""

    name = "donchian"
    title = "Donchian channel"
    meaning = "Long once the close exceeds the entry channel, out once it falls through the exit channel."
    source = (
        "Donchian's channel rule as in the Turtles' system 1 (20 in, 10 out): Faith (2007), Way of the"
        " Turtle; on closes, since every decision here is taken on a close."
    )
    parameters = (
        Parameter("entry", 2, 500, 20, True, True, "Bars of the channel that a close must leave to enter."),
        Parameter("exit", 2, 500, 10, True, True, "Bars of the channel that ends a position."),
    )

    def since_extremes(self, bars: Bars) -> tuple[FloatArray, FloatArray]:
        """Return bars since a high was as high, and a low as low, as each close; all candidates share them."""
        return bars_since_as_high_nb(bars.high, bars.close), bars_since_as_low_nb(bars.low, bars.close)

    def channels(self, table: FloatArray) -> FloatArray:
        """Return bars of the entry and of the exit channel, shape (n_candidates, 2)."""
        return table

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
        since_high, since_low = self.since_extremes(bars)
        positions: FloatArray = channel_positions_nb(since_high, since_low, values["entry"], values["exit"])
        return positions
