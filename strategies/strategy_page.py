"""What a strategy's page shows: what it is, where it took part, its exams and its reigns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.urls import reverse

from strategies import queries, services
from strategies.ensembles import ENSEMBLE, Member, load_members
from strategies.library.base import Family, Parameter
from strategies.library.registry import families, get_family
from strategies.models import Champion, ForwardRecord, Look, Strategy, StrategyPerformance
from strategies.positions import MODEL_FAMILY, PATTERN_FAMILY, RANDOM_CONTROL
from trainingday.exceptions import ArtifactRejected
from trainingday.typing import JSONDict

MAX_ROWS = 50
MAX_APPEARANCES = 2000  # one for each generation of each tournament
# What is no family of the library: title and meaning.
OTHERS = {
    MODEL_FAMILY: ("Trained model", "Positions of networks that a training session fitted, as plain arrays."),
    PATTERN_FAMILY: ("Pattern set", "Trades a frozen set of patterns that were confirmed on validation."),
    RANDOM_CONTROL: ("Random control", "The winner's positions in another order: as much trading, no skill."),
}


def family_of(name: str) -> Family | None:
    """Return a family of the library; None for models, pattern sets, random controls and removed families."""
    if name in families() or name == ENSEMBLE.name:
        return get_family(name)
    return None


def title_of(name: str) -> str:
    family = family_of(name)
    return family.title if family else OTHERS.get(name, (name, ""))[0]


@dataclass(frozen=True)
class ParameterRow:
    """A parameter with its value; `parameter` is None where the family no longer has it."""

    name: str
    value: float
    parameter: Parameter | None


@dataclass(frozen=True)
class Appearance:
    """A tournament that it took part in: its first row there, and the last generation that had it."""

    row: StrategyPerformance
    eliminated_at: int


class StrategyPage:
    """One strategy; seven queries at most, however often it took part."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.family = family_of(strategy.family)

    @property
    def title(self) -> str:
        return title_of(self.strategy.family)

    @property
    def meaning(self) -> str:
        return self.family.meaning if self.family else OTHERS.get(self.strategy.family, ("", ""))[1]

    @cached_property
    def parameters(self) -> list[ParameterRow]:
        known = {parameter.name: parameter for parameter in self.family.parameters} if self.family else {}
        return [
            ParameterRow(name, value, known.get(name)) for name, value in self.strategy.parameters.items()
        ]

    @cached_property
    def members(self) -> list[tuple[Member, Strategy | None]]:
        """Return the frozen members of an ensemble, each with its row where there is one."""
        if self.strategy.family != ENSEMBLE.name:
            return []
        try:
            members = load_members(self.strategy.artifact)
        except ArtifactRejected:
            return []
        rows = Strategy.objects.filter(
            market=self.strategy.market, fingerprint__in=[member.fingerprint for member in members]
        )
        by_fingerprint = {row.fingerprint: row for row in rows}
        return [(member, by_fingerprint.get(member.fingerprint)) for member in members]

    @cached_property
    def appearances(self) -> list[Appearance]:
        rows = (
            StrategyPerformance.objects.filter(strategy=self.strategy)
            .select_related("tournament")
            .defer("tournament__summary", "tournament__history", "tournament__configuration")
            .order_by("-tournament", "pk")[:MAX_APPEARANCES]
        )
        found: dict[int, Appearance] = {}
        for row in rows:
            first = found[row.tournament_id].row if row.tournament_id in found else row
            found[row.tournament_id] = Appearance(first, row.generation)
        return list(found.values())[:MAX_ROWS]

    @cached_property
    def looks(self) -> list[tuple[Look, JSONDict]]:
        rows = queries.query_looks().filter(strategy=self.strategy)[:MAX_ROWS]
        return [(look, queries.public_decision(look)) for look in rows]

    @cached_property
    def reigns(self) -> QuerySet[Champion]:
        return queries.reigns_of(self.strategy)[:MAX_ROWS]

    @cached_property
    def record(self) -> ForwardRecord | None:
        """Return what it did on bars that came later: as champion, else as a rejected challenger."""
        owners = [*self.reigns, *(look for look, _ in self.looks)]
        return next((one.record for one in owners if hasattr(one, "record")), None)

    @cached_property
    def is_champion(self) -> bool:
        return any(reign.until is None for reign in self.reigns)

    @property
    def may_be_promoted(self) -> bool:
        return not self.is_champion and any(reign.is_earned for reign in self.reigns)  # type: ignore[attr-defined]

    @property
    def way_to_exam(self) -> str:
        return services.way_to_exam(self.strategy)

    @property
    def backtest_url(self) -> str:
        """Return the address of its backtest, "" for a random control, which has no positions of its own."""
        if self.strategy.family == RANDOM_CONTROL:
            return ""
        chosen = {"market": self.strategy.market.slug, "strategy": self.strategy.pk, "run": 1}
        return f"{reverse('strategies:backtest')}?{urlencode(chosen)}"
