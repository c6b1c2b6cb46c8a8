"""What the page of a market's patterns as a signal shows, gathered in one object."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef

from patterns.models import Pattern
from patterns.queries import query_tradable_patterns
from patterns.services import load_sets, positions_of_set
from strategies.models import Champion, Strategy
from strategies.positions import PATTERN_FAMILY
from strategies.services import WAYS_TO_EXAM
from trainingday.markets.models import Market, moment
from trainingday.markets.queries import query_bars, query_latest_dataset

SETS_SHOWN = 10


@dataclass(frozen=True)
class SetLine:
    """One frozen set with what it would hold now.

    Attributes
    ----------
    seen_until : the set was chosen on bars before this one.
    position : target after the latest bar, a fraction in [-1, 1].
    """

    strategy: Strategy
    n_patterns: int
    seen_until: datetime
    position: float
    is_champion: bool


class PatternSignalPage:
    """The patterns that a set frozen now would hold, and the sets frozen before with their position."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.patterns: list[Pattern] = query_tradable_patterns(market)
        self.sets = self._sets()
        self.way_to_exam = WAYS_TO_EXAM[PATTERN_FAMILY]

    def _sets(self) -> list[SetLine]:
        reigning = Champion.objects.filter(strategy=OuterRef("pk"), until__isnull=True)
        strategies = Strategy.objects.filter(market=self.market, family=PATTERN_FAMILY)
        newest = list(strategies.annotate(is_champion=Exists(reigning)).order_by("-pk")[:SETS_SHOWN])
        if not newest:
            return []
        bars = query_bars(query_latest_dataset(self.market))
        return [
            SetLine(
                one,
                len(definition["patterns"]),
                moment(definition["seen_until_us"]),
                float(positions_of_set(definition, bars)[-1]),
                one.is_champion,
            )
            for one, definition in zip(newest, load_sets([one.artifact for one in newest]), strict=True)
        ]
