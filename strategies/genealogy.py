"""The family tree of a tournament: whole, filtered, or one individual's ancestors; and what an individual changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Max, QuerySet

from strategies.leaderboard import MEASURES
from strategies.models import StrategyPerformance, Tournament
from trainingday.exceptions import InvalidArgument
from trainingday.typing import JSONDict

MAX_DIGITS = 6
Kind = StrategyPerformance.Operator
CONCLUDING = (Kind.CONTROL, Kind.ENSEMBLE)


@dataclass(frozen=True)
class TreeFilter:
    """Which part of a tree is wanted.

    Attributes
    ----------
    uid : str
        This individual with everyone it descends from; "" for everyone.
    first, last : int or None
        Generations, both included.
    survivors : bool
        Only those with a descendant, or themselves, in the last generation that was bred.
    family : str
        "" for all.
    """

    uid: str = ""
    first: int | None = None
    last: int | None = None
    survivors: bool = False
    family: str = ""

    @classmethod
    def from_query(cls, given: Mapping[str, str]) -> TreeFilter:
        """Return the filter of an address: uid, from, to, survivors (1) and family; raise InvalidArgument."""
        survivors = given.get("survivors", "")
        if survivors not in ("", "0", "1"):
            raise InvalidArgument(f"survivors should be 0 or 1, is {survivors!r}")
        return cls(
            given.get("uid", ""),
            _generation("from", given.get("from", "")),
            _generation("to", given.get("to", "")),
            survivors == "1",
            given.get("family", ""),
        )


PARAMETERS = frozenset({"uid", "from", "to", "survivors", "family"})


@dataclass(frozen=True)
class Genealogy:
    """A family tree: nodes are individuals, edges run from parent to child."""

    nodes: list[JSONDict]
    edges: list[JSONDict]


def read_genealogy(
    tournament: Tournament, wanted: TreeFilter | None = None, *, limit: int = 5000
) -> Genealogy:
    """Return the wanted part of a tournament's tree; two to four queries.

    At most `limit` nodes, the latest generations first; edges whose ends are not among the nodes are left
    out.
    """
    part = wanted or TreeFilter()
    rows = _narrowed(tournament, part).select_related("strategy").order_by("-generation", "rank", "pk")
    if part.uid or part.survivors:
        links = _links(tournament)
        kept = _ancestors(_starts(tournament, part), links)
        nodes = [row for row in rows.iterator() if row.pk in kept][:limit]
    else:
        nodes = list(rows[:limit])
        links = _links(tournament, from_generation=nodes[-1].generation if nodes else 0)
    nodes.sort(key=lambda row: (row.generation, row.rank or 0, row.pk))
    by_pk = {row.pk: row for row in nodes}
    edges = [
        {"source": by_pk[parent].uid, "target": by_pk[child].uid, "operator": by_pk[child].operator}
        for child, parent in links
        if parent in by_pk and child in by_pk
    ]
    return Genealogy([_node(row) for row in nodes], edges)


@dataclass(frozen=True)
class GeneRow:
    """One gene of an individual beside its parents'; `mutation` is the part that mutation changed."""

    name: str
    value: float
    parents: list[float | None]
    mutation: float | None

    @property
    def is_changed(self) -> bool:
        return bool(self.parents) and self.value not in self.parents


@dataclass(frozen=True)
class GeneCard:
    """An individual, its parents, and its genes beside theirs."""

    row: StrategyPerformance
    parents: list[StrategyPerformance]
    genes: list[GeneRow]


def read_card(tournament: Tournament, uid: str) -> GeneCard | None:
    """Return what an individual has from its parents and what is new, None for nobody; two queries."""
    rows = StrategyPerformance.objects.filter(tournament=tournament).select_related("strategy")
    row = rows.filter(uid=uid).first()
    if row is None:
        return None
    parents = list(row.parents.select_related("strategy").order_by("rank", "pk"))
    genes = [
        GeneRow(
            name,
            value,
            [parent.strategy.parameters.get(name) for parent in parents],
            row.mutation.get(name) if isinstance(row.mutation, dict) else None,
        )
        for name, value in row.strategy.parameters.items()
    ]
    return GeneCard(row, parents, genes)


def export_rows(tournament: Tournament, limit: int) -> tuple[list[str], Iterable[list[object]]]:
    """Return header and rows of every individual with its parents, by generation and rank; three queries."""
    rows = (
        StrategyPerformance.objects.filter(tournament=tournament)
        .select_related("strategy")
        .order_by("generation", "rank", "pk")[:limit]
    )
    uids = dict(
        StrategyPerformance.objects.filter(tournament=tournament).order_by("pk").values_list("pk", "uid")
    )
    parents: dict[int, list[str]] = {}
    for child, parent in _links(tournament):
        parents.setdefault(child, []).append(uids[parent])
    names = ["generation", "rank", "operator", *MEASURES]
    header = ["uid", "parents", "family", "parameters", "artifact", "fingerprint", "mutation", *names]
    return header, (
        [
            row.uid,
            parents.get(row.pk, []),
            row.strategy_name,
            row.strategy.parameters,
            row.strategy.artifact,
            row.strategy.fingerprint,
            row.mutation,
            *(getattr(row, name) for name in names),
        ]
        for row in rows
    )


def _generation(name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise InvalidArgument(f"{name} should be a generation, a whole number >= 0, is {text[:60]!r}")
    return int(text)


def _narrowed(tournament: Tournament, part: TreeFilter) -> QuerySet[StrategyPerformance]:
    rows = StrategyPerformance.objects.filter(tournament=tournament)
    if part.first is not None:
        rows = rows.filter(generation__gte=part.first)
    if part.last is not None:
        rows = rows.filter(generation__lte=part.last)
    return rows.filter(strategy_name=part.family) if part.family else rows


def _starts(tournament: Tournament, part: TreeFilter) -> list[int]:
    """Return whose ancestors are wanted: the one of that uid, or everyone of the last bred generation."""
    rows = StrategyPerformance.objects.filter(tournament=tournament)
    if part.uid:
        return list(rows.filter(uid=part.uid).values_list("pk", flat=True))
    bred = rows.exclude(operator__in=CONCLUDING)
    last = bred.aggregate(last=Max("generation"))["last"]
    return list(bred.filter(generation=last).values_list("pk", flat=True))


def _links(tournament: Tournament, *, from_generation: int = 0) -> list[tuple[int, int]]:
    """Return (child, parent) primary keys of a tournament in a fixed order."""
    children = {
        "from_strategyperformance__tournament": tournament,
        "from_strategyperformance__generation__gte": from_generation,
    }
    rows = StrategyPerformance.parents.through._default_manager.filter(**children).order_by("pk")
    pairs = rows.values_list("from_strategyperformance_id", "to_strategyperformance_id")
    return [(int(child), int(parent)) for child, parent in pairs]


def _ancestors(starts: Iterable[int], links: Sequence[tuple[int, int]]) -> set[int]:
    parents: dict[int, list[int]] = {}
    for child, parent in links:
        parents.setdefault(child, []).append(parent)
    found: set[int] = set()
    waiting = list(starts)
    while waiting:
        pk = waiting.pop()
        if pk not in found:
            found.add(pk)
            waiting.extend(parents.get(pk, ()))
    return found


def _node(row: StrategyPerformance) -> JSONDict:
    return {
        "uid": row.uid,
        "family": row.strategy_name,
        "label": row.strategy.label,
        "parameters": row.strategy.parameters,
        "strategy": row.strategy_id,
        "generation": row.generation,
        "rank": row.rank,
        "operator": row.operator,
        "mutation": row.mutation,
        **{name: getattr(row, name) for name in MEASURES},
    }
