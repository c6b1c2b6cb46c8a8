"""Reads of markets and datasets."""

from __future__ import annotations

from django.db.models import IntegerField, OuterRef, Subquery
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast

from trainingday.bars import Bars
from trainingday.exceptions import NotFound
from trainingday.lists import Choice
from trainingday.markets.models import Dataset, Market, MarketQuerySet, TestWindow
from trainingday.markets.splits import DEFAULT_GAP, Split, plan_split
from trainingday.markets.storage import local_bars

MARKET_CHOICE = Choice(
    "market",
    "Market",
    "market__slug",
    lambda: ((slug, slug) for slug in Market.objects.with_bars().values_list("slug", flat=True)),
)


def query_markets() -> MarketQuerySet:
    """Return markets with their newest dataset's id, version, rows and range as annotations."""
    counts = {
        "gaps": KeyTextTransform("count", KeyTransform("gaps", "quality")),
        "set_aside": KeyTextTransform("count", KeyTransform("quarantined", "quality")),
        "duplicates": KeyTextTransform("duplicates", "quality"),
    }
    newest = (
        Dataset.objects.filter(market=OuterRef("pk"))
        .order_by("-version")
        .annotate(**{name: Cast(count, IntegerField()) for name, count in counts.items()})
    )
    fields = {
        "dataset_id": "pk",
        "dataset_version": "version",
        "dataset_rows": "n_rows",
        "dataset_first_us": "first_us",
        "dataset_last_us": "last_us",
        "dataset_sha256": "sha256",
        "dataset_source": "source",
        "dataset_gaps": "gaps",
        "dataset_duplicates": "duplicates",
        "dataset_set_aside": "set_aside",
        "dataset_created_at": "created_at",
    }
    return Market.objects.all().annotate(
        **{name: Subquery(newest.values(field)[:1]) for name, field in fields.items()}
    )


def query_market(name: str) -> Market:
    """Return the market of a slug ("SP500-1d"), whatever its letter case; raise NotFound otherwise."""
    market = Market.objects.filter(slug__iexact=name.strip()).first()
    if market is None:
        known = list(Market.objects.with_bars().order_by("slug").values_list("slug", flat=True)[:20])
        hint = (
            f"known markets: {', '.join(known)}"
            if known
            else "no market is loaded: run `manage.py load_offline`"
        )
        raise NotFound(f"market {name!r} does not exist; {hint}")
    return market


def query_latest_dataset(market: Market) -> Dataset:
    """Return a market's newest dataset; raise NotFound where it has none."""
    dataset = Dataset.objects.filter(market=market).order_by("-version").select_related("market").first()
    if dataset is None:
        raise NotFound(f"market {market} has no dataset: load a file with `manage.py load`")
    return dataset


def query_bars(dataset: Dataset) -> Bars:
    """Return a dataset's bars, memory-mapped and read-only."""
    return local_bars(dataset.sha256)


def query_test_window(market: Market) -> TestWindow | None:
    """Return the window that exams are sat on now, or None before the first."""
    return TestWindow.objects.filter(market=market).order_by("-last_us").first()


def query_split(dataset: Dataset, gap: int = DEFAULT_GAP, bars: Bars | None = None) -> Split:
    """Return the split that a session on this dataset would use, without opening a window."""
    bars = query_bars(dataset) if bars is None else bars
    return plan_split(len(bars), bars.timestamps, query_test_window(dataset.market), gap)
