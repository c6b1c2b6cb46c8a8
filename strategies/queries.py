"""Reads of strategies, tournaments, exams and champions; nothing here shows a sealed number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)

from strategies.models import (
    Champion,
    Look,
    Strategy,
    StrategyPerformance,
    Tournament,
    ValidationRecord,
)
from trainingday.exceptions import NotFound
from trainingday.markets.models import Market, TestWindow
from trainingday.markets.queries import query_bars, query_latest_dataset
from trainingday.markets.services import bars_for_next_window
from trainingday.stats import ledger
from trainingday.stats.gate import Exam, Verdict, exams_sentence
from trainingday.typing import JSONDict

EARNED = Q(restores__isnull=True) & (Q(look__verdict=Verdict.PASSED.value) | Q(forward__isnull=False))


def current_champion(market: Market) -> Champion | None:
    """Return what the market's bot follows, or None."""
    champions = Champion.objects.filter(market=market, until__isnull=True)
    return champions.select_related(
        "market", "strategy", "look", "decided_by", "restores__look", "record"
    ).first()


def champion_history(market: Market) -> QuerySet[Champion]:
    """Return every reign of a market, newest first."""
    return Champion.objects.filter(market=market).select_related(
        "market",
        "strategy",
        "look",
        "decided_by",
        "forward",
        "restores__strategy",
        "restores__look",
        "restores__forward",
        "record",
    )


def predecessor(champion: Champion) -> Champion | None:
    """Return the reign that a roll-back of this one takes up again, or None before the first.

    A reign that was itself taken up by a roll-back stands where the reign stood that it resumes, so that
    rolling back twice goes two reigns back, not to and fro. One that was promoted again by hand stands where
    it began: the reign that it replaced returns.
    """
    origin = champion.resumes or champion
    earlier = Champion.objects.filter(market_id=champion.market_id, pk__lt=origin.pk, resumes__isnull=True)
    return earlier.exclude(strategy_id=champion.strategy_id).order_by("-pk").first()


def proven_reign(strategy: Strategy) -> Champion | None:
    """Return the newest reign that evidence gave to a strategy: a passed exam, or its record on later bars."""
    return Champion.objects.filter(EARNED, strategy=strategy).order_by("-pk").first()


def reigns_of(strategy: Strategy) -> QuerySet[Champion]:
    """Return every reign of a strategy, newest first, each with `is_earned`: evidence gave it."""
    earned = ExpressionWrapper(EARNED, BooleanField())
    return (
        strategy.reigns.select_related("market", "decided_by", "record")
        .annotate(is_earned=earned)
        .order_by("-pk")
    )


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


def query_tournaments() -> QuerySet[Tournament]:
    return Tournament.objects.select_related("market", "dataset", "winner__market", "requested_by")


def query_strategies() -> QuerySet[Any]:
    """Return strategies with `is_champion` now, and `role`: the most that each has been.

    That is champion, examined, winner or entrant.
    """
    own = OuterRef("pk")
    reigning = Champion.objects.filter(until__isnull=True)
    return Strategy.objects.select_related("market").annotate(
        is_champion=Case(When(pk__in=reigning.values("strategy"), then=True), default=False),
        role=Case(
            When(Exists(Champion.objects.filter(strategy=own)), then=Value("champion")),
            When(Exists(Look.objects.filter(strategy=own)), then=Value("examined")),
            When(Exists(Tournament.objects.filter(winner=own)), then=Value("winner")),
            default=Value("entrant"),
        ),
    )


def with_best_scores(strategies: Iterable[Any]) -> list[tuple[Any, JSONDict]]:
    """Return each strategy with its best fitness, its Sharpe ratio and its number of tournaments; one query."""
    listed = list(strategies)
    rows = StrategyPerformance.objects.filter(strategy__in=[row.pk for row in listed]).order_by()
    scores = rows.values("strategy_id").annotate(
        fitness=Max("fitness"), sharpe=Max("sharpe_ratio"), n=Count("tournament", distinct=True)
    )
    found: dict[int, Any] = {line["strategy_id"]: line for line in scores}
    return [(row, found.get(row.pk, {})) for row in listed]


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
