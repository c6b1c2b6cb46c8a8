"""Pattern trades: hold each recognised pattern for its horizon, in its direction."""

from collections.abc import Mapping, Sequence

from patterns.discovery.pattern import Pattern
from patterns.discovery.positions import pattern_positions
from strategies.library.base import Family
from trainingday.bars import Bars
from trainingday.typing import FloatArray


class PatternTrades(Family):
    """Trades given patterns; not registered, because its patterns are no parameters that could be bred."""

    name = "pattern"
    title = "Patterns"
    meaning = "After each sighting of a pattern, hold its direction for its horizon; held ones average."
    source = (
        "patterns/discovery: Lin, Keogh, Lonardi & Chiu (2003) for words; here with a false discovery rate."
    )

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
        return pattern_positions(bars, self._patterns)
