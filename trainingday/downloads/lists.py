"""The list of downloads."""

from trainingday.downloads.models import Download
from trainingday.lists import Choice, Column, Listing
from trainingday.markets.models import Market
from trainingday.runs.models import RunState

DOWNLOADS = Listing(
    "downloads",
    columns=(
        Column("download", "public_id"),
        Column("market", "market.slug"),
        Column("exchange"),
        Column("is_refresh"),
        Column("state"),
        Column("since"),
        Column("reached"),
        Column("n_candles"),
        Column("n_requests"),
        Column("n_retries"),
        Column("dataset", lambda row: row.dataset.version if row.dataset else None),
        Column("reason"),
        Column("created_at"),
        Column("finished_at"),
    ),
    filters=(
        Choice("state", "State", "state", lambda: RunState.choices),
        Choice("market", "Market", "market__slug", lambda: _markets()),
        Choice("kind", "Kind", "is_refresh", lambda: [(True, "refresh"), (False, "download")]),
    ),
    sorts={"created": "created_at", "candles": "n_candles", "retries": "n_retries"},
)


def _markets() -> list[tuple[str, str]]:
    slugs = Market.objects.filter(pk__in=Download.objects.values("market")).values_list("slug", flat=True)
    return [(slug, slug) for slug in slugs]
