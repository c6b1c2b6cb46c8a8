"""The lists of tournaments, strategies and champions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any

from strategies.ensembles import ENSEMBLE
from strategies.ledger import exams_left_of
from strategies.library.registry import families
from strategies.models import Champion, ForwardRecord
from strategies.strategy_page import OTHERS, title_of
from trainingday.lists import Choice, Column, Listing
from trainingday.markets.queries import MARKET_CHOICE
from trainingday.runs.models import RunState
from trainingday.stats.evidence import Verdict

VERDICT = Choice(
    "verdict",
    "Verdict",
    "verdict",
    lambda: ((name, name.replace("_", " ")) for name in (*[v.value for v in Verdict], "no_challenger")),
)

TOURNAMENTS = Listing(
    "tournaments",
    columns=(
        Column("run", "public_id"),
        Column("market", "market.slug"),
        Column("dataset", "dataset.version"),
        Column("dataset_hash", "dataset.sha256"),
        Column("state"),
        Column("trigger"),
        Column("requested_by", lambda row: row.requested_by.get_username() if row.requested_by else None),
        Column("is_part"),
        Column("seed"),
        Column("n_generations"),
        Column("n_entrants"),
        Column("winner", lambda row: row.winner.label if row.winner else None),
        Column("winner_validation_sharpe", "winner_sharpe"),
        Column("verdict"),
        Column("reason"),
        Column("created_at"),
        Column("started_at"),
        Column("finished_at"),
    ),
    filters=(Choice("state", "State", "state", lambda: RunState.choices), MARKET_CHOICE, VERDICT),
    sorts={
        "created": "created_at",
        "market": "market__slug",
        "entrants": "n_entrants",
        "score": "winner_sharpe",
    },
    default=("-created_at", "-pk"),
    is_comparable=True,
    unread=("configuration", "summary", "dataset__quality"),
)

ROLES = (
    ("champion", "Champions, now or before"),
    ("examined", "Sat an exam"),
    ("winner", "Won a tournament"),
    ("entrant", "Took part"),
)

# Rows are of `strategies.queries.query_strategies`.
STRATEGIES = Listing(
    "strategies",
    columns=(
        Column("id", "pk"),
        Column("market", "market.slug"),
        Column("family"),
        Column("parameters"),
        Column("artifact"),
        Column("fingerprint"),
        Column("role"),
        Column("is_champion"),
        Column("created_at"),
    ),
    filters=(
        MARKET_CHOICE,
        Choice(
            "family",
            "Family",
            "family",
            lambda: [(name, title_of(name)) for name in (*families(), ENSEMBLE.name, *OTHERS)],
        ),
        Choice("role", "Has been", "role", lambda: ROLES),
    ),
    sorts={"created": "created_at", "market": "market__slug", "family": "family"},
    default=("-is_champion", "-pk"),
)


def _reign(market: Any) -> Champion | None:
    return next(iter(market.reigning), None)


def _of_reign(name: str) -> Callable[[Any], Any]:
    return lambda market: attrgetter(name)(reign) if (reign := _reign(market)) else None


def _of_record(read: Callable[[ForwardRecord], Any]) -> Callable[[Any], Any]:
    """Return a column of a reign's record on later bars, None before its first pass."""
    return lambda market: read(record) if (record := getattr(_reign(market), "record", None)) else None


# Rows are markets with their `reigning` champions (one or none) prefetched.
CHAMPIONS = Listing(
    "champions",
    columns=(
        Column("market", "slug"),
        Column("strategy", _of_reign("strategy.label")),
        Column("family", _of_reign("strategy.family")),
        Column("since", _of_reign("since")),
        Column("reason", _of_reign("reason")),
        Column("exam", _of_reign("look_id")),
        Column("later_bars", _of_record(lambda record: record.n_bars)),
        Column("return_since", _of_record(lambda record: record.standing.get("total_return"))),
        Column("decay_alarm", _of_record(lambda record: record.has_alarm)),
        Column("exams_left", exams_left_of),
    ),
    filters=(replace(MARKET_CHOICE, lookup="slug"),),
    sorts={"market": "slug", "since": "newest_reign"},
    default=("slug",),
)
