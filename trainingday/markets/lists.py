"""The lists of markets and of import profiles."""

from trainingday.lists import Choice, Column, Listing
from trainingday.markets.models import Market, moment

MARKETS = Listing(
    "markets",
    columns=(
        Column("market", "slug"),
        Column("symbol"),
        Column("venue"),
        Column("interval", "interval_name"),
        Column("calendar"),
        Column("fee"),
        Column("slippage"),
        Column("bars_per_year"),
        Column("exam_level", "alpha"),
        Column("dataset", "dataset_version"),
        Column("dataset_hash", "dataset_sha256"),
        Column("n_bars", "dataset_rows"),
        Column("first_bar", lambda row: _moment(row.dataset_first_us)),
        Column("last_bar", lambda row: _moment(row.dataset_last_us)),
        Column("n_gaps", "dataset_gaps"),
        Column("n_duplicates", "dataset_duplicates"),
        Column("n_set_aside", "dataset_set_aside"),
        Column("source", "dataset_source"),
        Column("loaded_at", "dataset_created_at"),
        Column("fetched_at"),
    ),
    filters=(
        Choice("venue", "Venue", "venue", lambda: _venues()),
        Choice("calendar", "Calendar", "calendar", lambda: Market.Calendar.choices),
    ),
    sorts={
        "market": "slug",
        "bars": "dataset_rows",
        "first": "dataset_first_us",
        "last": "dataset_last_us",
        "gaps": "dataset_gaps",
        "fetched": "fetched_at",
    },
    default=("slug",),
)

PROFILES = Listing(
    "import-profiles",
    columns=(Column("name"), Column("options"), Column("layout"), Column("created_at")),
    sorts={"name": "name", "saved": "created_at"},
    default=("name",),
)


def _venues() -> list[tuple[str, str]]:
    names = Market.objects.with_bars().order_by("venue").values_list("venue", flat=True).distinct()
    return [(name, name) for name in names]


def _moment(microseconds: int | None) -> object:
    return None if microseconds is None else moment(microseconds)
