"""The leaderboard of a tournament: its strategies by their validation scores, read page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, islice
from typing import Any

import numpy as np
from django.db.models import F, Max, Min, QuerySet

from strategies.models import StrategyPerformance, Tournament
from strategies.positions import CONTROLS
from trainingday.typing import JSONDict


@dataclass(frozen=True)
class Standing:
    """One line of a leaderboard; scores are validation scores.

    Attributes
    ----------
    place : int or None
        1 for the fittest; None for a control, which takes part but cannot win.
    strategy_id : int
    uid, name, label, operator : str
        Of its first appearance.
    generation, eliminated_at : int
        First and last generation that it was part of.
    fitness, sharpe_ratio, total_return, max_drawdown, win_rate, turnover, sharpe_double_costs : float or None
    n_trades : int
    earlier_sharpe : float or None
        On the train segment, which chose nobody; None where it was not measured, and for trained models.
    n_alike : int
        Further strategies of the same family with the same scores: they traded alike.
    """

    place: int | None
    strategy_id: int
    name: str
    label: str
    operator: str
    uid: str
    generation: int
    eliminated_at: int
    fitness: float | None
    sharpe_ratio: float | None
    total_return: float | None
    max_drawdown: float | None
    win_rate: float | None
    n_trades: int
    turnover: float | None
    sharpe_double_costs: float | None
    earlier_sharpe: float | None = None
    n_alike: int = 0

    @property
    def is_control(self) -> bool:
        return self.place is None

    @property
    def degradation(self) -> float | None:
        """Return how much higher the Sharpe ratio is on the earlier bars: below 0 where it is lower."""
        if self.earlier_sharpe is None or self.sharpe_ratio is None:
            return None
        return self.earlier_sharpe - self.sharpe_ratio

    def as_dict(self) -> JSONDict:
        return asdict(self)


CLONES_READ = 30
PAGE = 600  # strategies of a leaderboard that are read at a time
ALIKE = ("strategy_name", "fitness", "sharpe_ratio", "total_return", "n_trades")  # equal: they traded alike
MEASURES = (
    "fitness",
    "sharpe_ratio",
    "total_return",
    "max_drawdown",
    "win_rate",
    "n_trades",
    "turnover",
    "sharpe_double_costs",
)


def leaderboard(tournament: Tournament, limit: int = 20, *, per_family: int | None = None) -> list[Standing]:
    """Return the fittest different strategies of a tournament, then its controls; three queries where a page is enough.

    Of strategies that traded alike the first stands for all. With `per_family`, at most so many lines of one
    family are returned, and at least its best one, whatever its place and beyond `limit`; thirty times `limit`
    strategies are read for that, and up to three more queries find the best of a family that is not among them.
    Places count all strategies.
    """
    if per_family is None:
        return [*islice(_ranked(tournament), limit), *_controls(tournament)]
    lines = list(_distinct(_entrants(tournament))[: limit * CLONES_READ])
    board = list(_ranked(tournament, lines))
    if len(lines) == limit * CLONES_READ:
        board += _best_of_others(_entrants(tournament), {one.name for one in board}, _earlier(tournament))
    return [*_of_each_family(board, limit, per_family), *_controls(tournament)]


def standings(tournament: Tournament) -> Iterator[Standing]:
    """Yield the whole leaderboard: every different strategy, the fittest first, then the controls.

    It is read page by page: what is held at a time is one page, and the strategies that share a fitness.
    """
    yield from _ranked(tournament)
    yield from _controls(tournament)


def _entrants(tournament: Tournament) -> QuerySet[StrategyPerformance]:
    return StrategyPerformance.objects.filter(tournament=tournament).exclude(strategy__family__in=CONTROLS)


def _ranked(tournament: Tournament, lines: Iterable[dict[str, Any]] | None = None) -> Iterator[Standing]:
    """Yield the standings of the strategies in `lines`, by default of all, in order, those that traded alike as one."""
    earlier = _earlier(tournament)
    if lines is None:
        lines = _distinct(_entrants(tournament)).iterator(chunk_size=PAGE)
    found = _first_rows(lines)
    for place, (line, row, n_alike) in enumerate(_collapsed(found), 1):
        yield _standing(place, line, row, earlier.get(row.uid), n_alike)


def _controls(tournament: Tournament) -> Iterator[Standing]:
    """Yield the controls, the fittest first, in one query: there are few, with a row for each generation at most."""
    rows = StrategyPerformance.objects.filter(tournament=tournament, strategy__family__in=CONTROLS)
    groups: dict[int, list[StrategyPerformance]] = {}
    for row in rows.select_related("strategy").order_by(F("fitness").desc(nulls_last=True), "pk"):
        groups.setdefault(row.strategy_id, []).append(row)
    for group in groups.values():
        line = {"last_generation": max(row.generation for row in group)}
        yield _standing(None, line, group[0], None, 0)


def _earlier(tournament: Tournament) -> dict[str, float | None]:
    return {row["uid"]: row["earlier"] for row in tournament.summary.get("earlier", ())}


def _of_each_family(board: Sequence[Standing], limit: int, per_family: int) -> list[Standing]:
    """Return the first `limit` lines, at most `per_family` of a family, with the best of every family."""
    counter: Counter[str] = Counter()
    numbered = [(one, _counted(counter, one.name)) for one in board]
    few = [(one, number) for one, number in numbered if number <= per_family]
    return [one for place, (one, number) in enumerate(few) if place < limit or number == 1]


def _best_of_others(
    entrants: QuerySet[StrategyPerformance], read: set[str], earlier: dict[str, float | None]
) -> list[Standing]:
    """Return the best of each family that was not read, in order; those that traded alike are not counted."""
    best: dict[str, dict[str, Any]] = {}
    for line in _distinct(entrants.exclude(strategy_name__in=read)).annotate(name=Min("strategy_name")):
        best.setdefault(line["name"], line)
    if not best:
        return []
    first = entrants.order_by().values("strategy").annotate(first=Min("pk")).values("first")
    groups = entrants.filter(pk__in=first).exclude(fitness=None).order_by().values_list(*ALIKE).distinct()
    fitness = np.array([group[ALIKE.index("fitness")] for group in groups])
    return [
        _standing(
            1 + int((fitness > (-np.inf if row.fitness is None else row.fitness)).sum()),
            line,
            row,
            earlier.get(row.uid),
            0,
        )
        for line, row in _first_rows(best.values())
    ]


def _first_rows(lines: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], StrategyPerformance]]:
    """Yield each line with the row that it names, a query for each page of lines."""
    rows = StrategyPerformance.objects.select_related("strategy")
    left = iter(lines)
    while page := list(islice(left, PAGE)):
        first = rows.in_bulk([line["first"] for line in page])
        yield from ((line, first[line["first"]]) for line in page)


def _counted(counter: Counter[str], name: str) -> int:
    counter[name] += 1
    return counter[name]


def _collapsed(
    lines: Iterable[tuple[dict[str, Any], StrategyPerformance]],
) -> Iterator[tuple[dict[str, Any], StrategyPerformance, int]]:
    """Yield the first of each group that scored the same, with the number of the others; fittest lines first."""
    for fitness, run in groupby(lines, key=lambda pair: pair[0]["best"]):
        if fitness is None:
            yield from ((line, row, 0) for line, row in run)
            continue
        groups: dict[Any, tuple[dict[str, Any], StrategyPerformance]] = {}
        n_of: Counter[Any] = Counter()
        for line, row in run:
            scores = tuple(getattr(row, name) for name in ALIKE)
            groups.setdefault(scores, (line, row))
            n_of[scores] += 1
        yield from ((*first, n_of[scores] - 1) for scores, first in groups.items())


def _distinct(rows: QuerySet[StrategyPerformance]) -> Any:
    """Return one line for each strategy, the fittest first; a strategy scores the same every time."""
    return (
        rows.order_by()
        .values("strategy_id")
        .annotate(best=Max("fitness"), first=Min("pk"), last_generation=Max("generation"))
        .order_by(F("best").desc(nulls_last=True), "first")
    )


def _standing(
    place: int | None, line: dict[str, Any], row: StrategyPerformance, earlier: float | None, n_alike: int
) -> Standing:
    return Standing(
        place=place,
        strategy_id=row.strategy_id,
        name=row.strategy_name,
        label=row.strategy.label,
        operator=row.operator,
        uid=row.uid,
        generation=row.generation,
        eliminated_at=line["last_generation"],
        earlier_sharpe=earlier,
        n_alike=n_alike,
        **{name: getattr(row, name) for name in MEASURES},
    )
