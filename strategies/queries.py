"""Reads of strategies, tournaments, exams and champions; nothing here shows a sealed number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.db.models import F, Max, Min, QuerySet

from strategies.models import Champion, Look, StrategyPerformance, Tournament, ValidationRecord
from strategies.positions import CONTROLS
from trainingday.exceptions import NotFound
from trainingday.markets.models import Market, TestWindow
from trainingday.markets.queries import query_bars, query_latest_dataset
from trainingday.markets.services import bars_for_next_window
from trainingday.stats import ledger
from trainingday.stats.gate import Exam, Verdict, exams_sentence
from trainingday.typing import JSONDict


def current_champion(market: Market) -> Champion | None:
    """Return what the market's bot follows, or None."""
    champions = Champion.objects.filter(market=market, until__isnull=True)
    return champions.select_related("market", "strategy", "look", "decided_by", "restores__look").first()


def champion_history(market: Market) -> QuerySet[Champion]:
    """Return every reign of a market, newest first."""
    return Champion.objects.filter(market=market).select_related(
        "market", "strategy", "look", "decided_by", "restores__strategy", "record"
    )


def predecessor(champion: Champion) -> Champion | None:
    """Return the reign that a roll-back of this one takes up again, or None before the first.

    A reign that was itself taken up by a roll-back counts as the reign that it restored, so that rolling
    back twice goes two reigns back, not to and fro.
    """
    origin = champion.restores or champion
    earlier = Champion.objects.filter(market_id=champion.market_id, pk__lt=origin.pk, restores__isnull=True)
    return earlier.exclude(strategy_id=champion.strategy_id).order_by("-pk").first()


def exams_left(market: Market, window: TestWindow) -> int:
    """Return how many sealed exams of a test window are left: ten, less those charged since a promotion."""
    looks = Look.objects.filter(market=market, test_window=window, is_charged=True).order_by("pk")
    return ledger.exams_left(Verdict(verdict) for verdict in looks.values_list("verdict", flat=True))


def best_validation(market: Market, window: TestWindow, *, before: int | None = None) -> float | None:
    """Return the best validation score of the market's candidates on this window's bars, None without one.

    `before` leaves out the records from that primary key on.
    """
    records = ValidationRecord.objects.filter(market=market, test_window=window)
    if before is not None:
        records = records.filter(pk__lt=before)
    best: float | None = records.aggregate(best=Max("score"))["best"]
    return best


def exams_summary(market: Market, window: TestWindow, left: int | None = None) -> str:
    """Return how many exams are left, for people; with none left, how many bars to wait for.

    `left` saves the query where the caller has counted them already.
    """
    left = exams_left(market, window) if left is None else left
    text = exams_sentence(Exam(level=market.alpha, exams_left=left))
    if left:
        return text
    missing = bars_until_next_window(market, window)
    return f"{text} None is left: the next ten open after about {missing:,} new bars."


def bars_until_next_window(market: Market, window: TestWindow) -> int:
    """Return how many bars are missing until a fresh test window opens; reads the newest dataset."""
    stamps = query_bars(query_latest_dataset(market)).timestamps
    n_newer = int(stamps.shape[0] - np.searchsorted(stamps, window.last_us, side="right"))
    return max(0, bars_for_next_window(int(stamps.shape[0])) - n_newer)


def public_decision(look: Look) -> JSONDict:
    """Return what may be shown of an exam: everything after a pass, else no test number."""
    public: JSONDict = look.decision["public"]
    return public


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

    @property
    def is_control(self) -> bool:
        return self.place is None

    def as_dict(self) -> JSONDict:
        return asdict(self)


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


def leaderboard(tournament: Tournament, limit: int = 20) -> list[Standing]:
    """Return the fittest different strategies of a tournament, then its controls; three queries."""
    rows = StrategyPerformance.objects.filter(tournament=tournament)
    best = _distinct(rows.exclude(strategy__family__in=CONTROLS))[:limit]
    controls = _distinct(rows.filter(strategy__family__in=CONTROLS))
    places: list[int | None] = [*range(1, len(best) + 1), *[None] * len(controls)]
    lines = [*best, *controls]
    first = {
        row.pk: row
        for row in StrategyPerformance.objects.filter(
            pk__in=[line["first"] for line in lines]
        ).select_related("strategy")
    }
    return [_standing(place, line, first[line["first"]]) for place, line in zip(places, lines, strict=True)]


def _distinct(rows: QuerySet[StrategyPerformance]) -> Any:
    """Return one line for each strategy, the fittest first; a strategy scores the same every time."""
    return (
        rows.order_by()
        .values("strategy_id")
        .annotate(best=Max("fitness"), first=Min("pk"), last_generation=Max("generation"))
        .order_by(F("best").desc(nulls_last=True), "first")
    )


def _standing(place: int | None, line: dict[str, Any], row: StrategyPerformance) -> Standing:
    return Standing(
        place=place,
        strategy_id=row.strategy_id,
        name=row.strategy_name,
        label=row.strategy.label,
        operator=row.operator,
        uid=row.uid,
        generation=row.generation,
        eliminated_at=line["last_generation"],
        **{name: getattr(row, name) for name in MEASURES},
    )


def query_tournaments() -> QuerySet[Tournament]:
    return Tournament.objects.select_related("market", "dataset", "winner__market", "requested_by")


def query_past_tournament(pk: int) -> Tournament:
    """Return a tournament that may found another, or raise NotFound."""
    tournament = query_tournaments().filter(pk=pk).first()
    if tournament is None:
        raise NotFound(f"seed_from should be a tournament, there is none of number {pk}")
    return tournament


def query_performances() -> QuerySet[StrategyPerformance]:
    return StrategyPerformance.objects.select_related("strategy").prefetch_related("parents")


def query_looks() -> QuerySet[Look]:
    return Look.objects.select_related("market", "test_window", "strategy__market", "record__promoted")


@dataclass(frozen=True)
class Genealogy:
    """A family tree: nodes are individuals, edges run from parent to child."""

    nodes: list[JSONDict]
    edges: list[JSONDict]


def genealogy(tournament: Tournament, *, uid: str = "", limit: int = 5000) -> Genealogy:
    """Return the tree of a tournament, or of one individual with everyone it descends from.

    Two or three queries. At most `limit` nodes, the latest generations first; edges whose ends are not
    among the nodes are left out.
    """
    individuals = StrategyPerformance.objects.filter(tournament=tournament)
    newest = individuals.select_related("strategy").order_by("-generation", "rank", "pk")
    if uid:
        links = _links(tournament)
        start = individuals.filter(uid=uid).values_list("pk", flat=True).first()
        rows = list(newest.filter(pk__in=_ancestors(start, links))[:limit])
    else:
        rows = list(newest[:limit])
        links = _links(tournament, from_generation=rows[-1].generation if rows else 0)
    rows.sort(key=lambda row: (row.generation, row.rank or 0, row.pk))
    by_pk = {row.pk: row for row in rows}
    edges = [
        {"source": by_pk[parent].uid, "target": by_pk[child].uid, "operator": by_pk[child].operator}
        for child, parent in links
        if parent in by_pk and child in by_pk
    ]
    return Genealogy([_node(row) for row in rows], edges)


def _links(tournament: Tournament, *, from_generation: int = 0) -> list[tuple[int, int]]:
    """Return (child, parent) primary keys of a tournament in a fixed order."""
    children = {
        "from_strategyperformance__tournament": tournament,
        "from_strategyperformance__generation__gte": from_generation,
    }
    rows = StrategyPerformance.parents.through._default_manager.filter(**children).order_by("pk")
    pairs = rows.values_list("from_strategyperformance_id", "to_strategyperformance_id")
    return [(int(child), int(parent)) for child, parent in pairs]


def _ancestors(start: int | None, links: Sequence[tuple[int, int]]) -> set[int]:
    parents: dict[int, list[int]] = {}
    for child, parent in links:
        parents.setdefault(child, []).append(parent)
    found: set[int] = set()
    waiting = [] if start is None else [start]
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
