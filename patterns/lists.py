"""The list of patterns."""

from collections.abc import Callable
from typing import Any

from django.db.models import Case, F, When

from patterns.models import DIRECTIONS, Pattern
from trainingday.lists import Choice, Column, Listing
from trainingday.markets.queries import MARKET_CHOICE

CONFIRMED_FIRST = Case(
    When(state=Pattern.State.CONFIRMED, then=0), When(state=Pattern.State.CANDIDATE, then=1), default=2
)
# Of the record on the bars that mining did not see.
LATER = (
    ("n", "n_known"),
    ("success_rate", "success_rate"),
    ("success_low", "success_low"),
    ("success_high", "success_high"),
    ("base_rate", "base_rate"),
    ("lift", "lift"),
    ("net_return", "mean_net_return"),
)


def _later(field: str) -> Callable[[Pattern], Any]:
    return lambda row: row.later_record.get(field)


PATTERNS = Listing(
    "patterns",
    columns=(
        Column("market", "market.slug"),
        Column("key"),
        Column("window"),
        Column("word"),
        Column("conditions"),
        Column("horizon"),
        Column("direction", "get_direction_display"),
        Column("state"),
        Column("state_reason"),
        Column("found_by", "found_by.public_id"),
        Column("found_on", "created_at"),
        Column("q_value"),
        Column("train_n", "n_occurrences"),
        Column("train_success_rate", lambda row: row.discovery.get("success_rate")),
        *(Column(f"later_{name}", _later(field)) for name, field in LATER),
        Column("decay_success_rate", lambda row: row.decay.get("success_rate")),
        Column("decay_net_return", lambda row: row.decay.get("mean_net_return")),
        Column("confirmed_at"),
        Column("retired_at"),
    ),
    filters=(
        Choice("state", "State", "state", lambda: Pattern.State.choices),
        MARKET_CHOICE,
        Choice("direction", "Direction", "direction", lambda: DIRECTIONS, everything="Both"),
    ),
    sorts={
        "q": "q_value",
        "rate": "tracking__since_found__success_rate",
        "lift": "tracking__since_found__lift",
        "return": "tracking__since_found__mean_net_return",
        "decay": "tracking__decay__success_rate",
        "n": "tracking__since_found__n_known",
        "horizon": "horizon",
        "found": "created_at",
    },
    default=(CONFIRMED_FIRST, F("q_value").asc(nulls_last=True), "pk"),
    unread=("definition", "template"),
)
