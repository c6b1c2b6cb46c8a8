"""A stored strategy as a family without parameters, so that it is backtested as any rule is."""

from __future__ import annotations

from collections.abc import Mapping

from strategies.ensembles import ENSEMBLE
from strategies.library.base import Family
from strategies.models import Strategy
from strategies.positions import MODEL_FAMILY, PATTERN_FAMILY, positions_of
from strategies.strategy_page import title_of
from trainingday.bars import Bars
from trainingday.typing import FloatArray

MAX_DIGITS = 18
NOTES = {
    MODEL_FAMILY: "What is deployed of a model was trained on train and validation, or on train alone for a "
    "baseline; its settings, seeds and overlay were chosen on validation. Its figures on bars that it was trained "
    "or chosen on are flattered.",
    PATTERN_FAMILY: "Train or validation chose these patterns: on those bars their figures are flattered.",
    ENSEMBLE.name: "Its members were chosen on validation, and a model among them was trained on train: their "
    "figures on those bars are flattered.",
}
CHOSEN = (
    "A tournament or a person may have chosen these parameters on validation: figures there may be flattered."
)


class StoredStrategy(Family):
    """Trades one strategy exactly as it is stored; its name is its number."""

    source = "stored"

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.name = str(strategy.pk)  # type: ignore[misc]
        self.title = title_of(strategy.family)  # type: ignore[misc]
        self.meaning = f"Strategy {strategy.pk}, {strategy.label}, exactly as it is stored."  # type: ignore[misc]

    @property
    def note(self) -> str:
        """Return which bars chose or trained it, so that nobody takes its figures on them for evidence."""
        return NOTES.get(self.strategy.family, CHOSEN)

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
        return positions_of(self.strategy, bars)


def find_stored(text: str) -> StoredStrategy | None:
    """Return the strategy of a number that people or programs wrote, None if it is no number of one."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        return None
    strategy = Strategy.objects.select_related("market").filter(pk=int(text)).first()
    return StoredStrategy(strategy) if strategy else None
