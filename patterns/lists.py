"""The list of patterns."""

from django.db.models import F

from patterns.models import DIRECTIONS, Pattern
from trainingday.lists import Choice, Column, Listing
from trainingday.markets.queries import MARKET_CHOICE

PATTERNS = Listing(
    "patterns",
    columns=(
        Column("market", "market.slug"),
        Column("key"),
        Column("window"),
        Column("word"),
        Column("horizon"),
        Column("direction", "get_direction_display"),
        Column("state"),
        Column("state_reason"),
        Column("validation_success_rate", "success_rate"),
        Column("validation_success_low", lambda row: row.confirmation.get("success_low")),
        Column("validation_success_high", lambda row: row.confirmation.get("success_high")),
        Column("validation_n", lambda row: row.confirmation.get("n_known")),
        Column("validation_base_rate", lambda row: row.confirmation.get("base_rate")),
        Column("average_return"),
        Column("n_occurrences"),
        Column("q_value"),
        Column("confirmed_at"),
        Column("retired_at"),
        Column("created_at"),
    ),
    filters=(
        Choice("state", "State", "state", lambda: Pattern.State.choices),
        MARKET_CHOICE,
        Choice("direction", "Direction", "direction", lambda: DIRECTIONS, everything="Both"),
    ),
    sorts={
        "q": "q_value",
        "rate": "success_rate",
        "return": "average_return",
        "n": "n_occurrences",
        "horizon": "horizon",
        "found": "created_at",
    },
    default=("-state", F("q_value").asc(nulls_last=True), "pk"),
)
