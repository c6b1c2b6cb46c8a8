"""Reads of patterns: what may be traded, their backtests, and the recognition rate over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.db.models import Q, QuerySet, Subquery

from patterns.discovery.features import Features
from patterns.discovery.pattern import Pattern as Definition
from patterns.discovery.positions import held_bars
from patterns.discovery.template import normalised_paths
from patterns.models import Pattern, PatternFinding, PatternScan, PatternSet, PatternSighting
from patterns.tracking import Readable
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.exceptions import NotFound
from trainingday.markets.models import Market, TestWindow
from trainingday.markets.queries import query_bars, query_latest_dataset, query_split
from trainingday.runs.models import RunState
from trainingday.typing import FloatArray, JSONDict

MIN_BACKTEST_BARS = 2
NOTHING_DRAWN: JSONDict = {"times_us": [], "close": [], "marks": [], "paths": []}


def query_scans() -> QuerySet[PatternScan]:
    return PatternScan.objects.select_related("market", "dataset")


def query_patterns() -> QuerySet[Pattern]:
    return Pattern.objects.select_related("market")


def query_sightings() -> QuerySet[PatternSighting]:
    return PatternSighting.objects.all()


def query_sightings_of(pattern: Pattern) -> list[PatternSighting]:
    """Return a pattern's sightings in time order."""
    return list(PatternSighting.objects.filter(pattern=pattern).order_by("bar_us"))


def query_newest_scan(market_slug: str = "") -> PatternScan | None:
    """Return the newest finished scan, of one market where it is named."""
    scans = query_scans().filter(state=RunState.SUCCEEDED)
    if not market_slug.isprintable():
        return None  # PostgreSQL takes no NUL, and no market has such a name
    if market_slug:
        scans = scans.filter(market__slug=market_slug)
    return scans.order_by("-pk").first()


def query_findings(pattern: Pattern) -> QuerySet[PatternFinding]:
    """Return what each scan that found the pattern measured, oldest first: its history."""
    return PatternFinding.objects.filter(pattern=pattern).select_related("scan").order_by("scan")


def query_tradable_patterns(market: Market) -> list[Pattern]:
    """Return the patterns that a set for trading holds.

    Confirmed ones, and those that the rule retired on bars that a later test window has sealed: their
    retirement used returns that an exam will be sat on.
    """
    window = TestWindow.objects.filter(market=market).order_by("-last_us")[:1]
    wanted = Q(state=Pattern.State.CONFIRMED) | Q(
        state=Pattern.State.RETIRED,
        retired_at__lt=Subquery(window.values("opened_at")),
        retired_until_us__gte=Subquery(window.values("first_us")),
    )
    return list(Pattern.objects.filter(wanted, market=market).order_by("key"))


def query_sets(names: Sequence[str]) -> list[PatternSet]:
    """Return the frozen sets of these names, in their order; raise NotFound where one is missing."""
    found = {row.sha256: row for row in PatternSet.objects.filter(sha256__in=names)}
    missing = [name for name in names if name not in found]
    if missing:
        raise NotFound(f"pattern set {missing[0][:64]!r} does not exist")
    return [found[name] for name in names]


def backtest(pattern: Pattern) -> JSONDict:
    """Return the metrics of trading one pattern alone, by segment of the market's newest dataset.

    The segments are today's: what validation was when the pattern was confirmed may have joined train.
    Each segment's account starts flat; what the pattern holds there is known from the bars before it, as in
    any backtest. Costs are the market's. The sealed test window and the bars after it, which will be the next
    one, are not read.

    Returns
    -------
    dict
        "dataset": version; "segments": "train" and "validation", each with "first_us", "last_us", "n_bars"
        and "metrics" (`Metrics.as_dict`), or None where there are fewer than two bars.
    """
    market = pattern.market
    dataset = query_latest_dataset(market)
    bars = query_bars(dataset)
    split = query_split(dataset, bars=bars)
    before = Features(bars[: split.test.start])
    definition = Definition.from_dict(pattern.definition)
    segments = {
        "train": _segment(before, split.train, definition, market),
        "validation": _segment(before, split.validation, definition, market),
    }
    return {"pattern": pattern.key, "dataset": dataset.version, "segments": segments}


def recognition_over_time(market: Market) -> list[JSONDict]:
    """Return the recognition rate after each finished scan of the market, oldest first.

    Each with "scan", "run", "created_at", "n_confirmed", "n_new" and what `Recognition` holds; one query.
    """
    scans = PatternScan.objects.filter(market=market, state=RunState.SUCCEEDED).order_by("pk")
    return [
        {
            "scan": scan.pk,
            "run": scan.public_id,
            "created_at": scan.created_at.isoformat(),
            "n_confirmed": scan.n_confirmed,
            "n_new": scan.n_new,
            **scan.recognition,
        }
        for scan in scans
    ]


def occurrences_on_price(
    pattern: Pattern, sightings: Sequence[PatternSighting], n_bars: int = 500, n_paths: int = 8
) -> JSONDict:
    """Return closes around the pattern's newest sightings, with the sightings marked, for charts.

    Parameters
    ----------
    sightings : of the pattern, in time order.

    Returns
    -------
    dict
        "times_us", "close": the newest `n_bars` bars on the side of the test window where it was seen
        last; "marks": "bar_us", "close" and "is_success" of the sightings within them; "paths": "bar_us"
        and "path", the normalised closes that the template averages, of the newest `n_paths` of them.
    """
    if not sightings:
        return NOTHING_DRAWN
    dataset = query_latest_dataset(pattern.market)
    bars = query_bars(dataset)
    readable = Readable.of(bars, query_split(dataset, bars=bars))
    sides = [side.bars for side in (readable.forward, readable.before) if side is not None]
    side = next((one for one in sides if one.timestamps[0] <= sightings[-1].bar_us), sides[-1])
    last = int(np.searchsorted(side.timestamps, sightings[-1].bar_us, side="right")) + pattern.horizon + 1
    first = max(last - n_bars, 0)
    shown = side[first:last]
    marked = [row for row in sightings[-n_bars:] if row.bar_us >= shown.timestamps[0]]
    seen = np.searchsorted(side.timestamps, [row.bar_us for row in marked])
    drawn = seen[seen >= pattern.window - 1][-n_paths:]
    paths = normalised_paths(side, Definition.from_dict(pattern.definition), drawn, len(side))
    return {
        "times_us": shown.timestamps.tolist(),
        "close": shown.close.tolist(),
        "marks": [
            {"bar_us": row.bar_us, "close": float(side.close[bar]), "is_success": row.is_success}
            for row, bar in zip(marked, seen, strict=True)
        ],
        "paths": [
            {"bar_us": int(side.timestamps[bar]), "path": _defined(path)}
            for bar, path in zip(drawn, paths, strict=True)
        ],
    }


def _defined(values: FloatArray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _segment(features: Features, segment: slice, definition: Definition, market: Market) -> JSONDict | None:
    bars = features.bars[segment]
    if len(bars) < MIN_BACKTEST_BARS:
        return None
    start, stop, _ = segment.indices(len(features.bars))
    held = held_bars(features, definition, slice(0, stop))[start:]
    positions = definition.direction * held.astype(np.float64)
    costs = Costs(market.fee, market.slippage)
    result = run_backtest(bars, positions, costs, bars_per_year=market.bars_per_year)
    return {
        "first_us": int(bars.timestamps[0]),
        "last_us": int(bars.timestamps[-1]),
        "n_bars": len(bars),
        "metrics": result.metrics.as_dict(),
    }
