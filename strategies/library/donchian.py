"""Donchian: follow a close beyond the highest high or the lowest low of recent bars."""

from collections.abc import Mapping

from strategies.library.base import Family, Parameter
from trainingday.backtest.channels import channel_positions_nb
from trainingday.backtest.indicators import highest_before_nb, lowest_before_nb
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

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
        entry, leave = int(values["entry"]), int(values["exit"])
        positions: FloatArray = channel_positions_nb(
            bars.close,
            highest_before_nb(bars.high, entry),
            lowest_before_nb(bars.low, entry),
            highest_before_nb(bars.high, leave),
            lowest_before_nb(bars.low, leave),
        )
        return positions
