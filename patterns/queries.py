"""Reads of patterns: what may be traded, their backtests, and the recognition rate over time."""

from __future__ import annotations

import numpy as np
from django.db.models import Q, QuerySet

from patterns.discovery.features import Features
from patterns.discovery.pattern import Pattern as Definition
from patterns.discovery.positions import held_bars
from patterns.models import Pattern, PatternFinding, PatternScan, PatternSet, PatternSighting
from patterns.tracking import Readable
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.exceptions import NotFound
from trainingday.markets.models import Market
from trainingday.markets.queries import query_bars, query_latest_dataset, query_split, query_test_window
from trainingday.runs.models import RunState
from trainingday.typing import JSONDict

MIN_BACKTEST_BARS = 2


def query_scans() -> QuerySet[PatternScan]:
    return PatternScan.objects.select_related("market", "dataset")


def query_patterns() -> QuerySet[Pattern]:
    return Pattern.objects.select_related("market")


def query_sightings() -> QuerySet[PatternSighting]:
    return PatternSighting.objects.all()


def query_findings(pattern: Pattern) -> QuerySet[PatternFinding]:
    """Return what each scan that found the pattern measured, oldest first: its history."""
    return PatternFinding.objects.filter(pattern=pattern).select_related("scan").order_by("scan")


def query_tradable_patterns(market: Market) -> list[Pattern]:
    """Return the patterns that a set for trading holds.

    Confirmed ones, and those that the rule retired on bars that a later test window has sealed: their
    retirement used returns that an exam will be sat on.
    """
    window = query_test_window(market)
    wanted = Q(state=Pattern.State.CONFIRMED)
    if window is not None:
        wanted |= Q(
            state=Pattern.State.RETIRED,
            retired_at__lt=window.opened_at,
            retired_until_us__gte=window.first_us,
        )
    return list(Pattern.objects.filter(wanted, market=market).order_by("key"))


def query_set(sha256: str) -> PatternSet:
    """Return the frozen set of a name; raise NotFound where there is none."""
    found = PatternSet.objects.filter(sha256=sha256).first()
    if found is None:
        raise NotFound(f"pattern set {sha256[:64]!r} does not exist")
    return found


def backtest(pattern: Pattern) -> JSONDict:
    """Return the metrics of trading one pattern alone, by segment of the market's newest dataset.

    The segments are today's: what validation was when the pattern was confirmed may have joined train.
    Each segment starts flat; costs are the market's. The sealed test window is not read.

    Returns
    -------
    dict
        "dataset": version; "segments": "train", "validation" and "forward", each with "first_us",
        "last_us", "n_bars" and "metrics" (`Metrics.as_dict`), or None where there are fewer than two
        bars.
    """
    market = pattern.market
    dataset = query_latest_dataset(market)
    bars = query_bars(dataset)
    split = query_split(dataset, bars=bars)
    readable = Readable.of(bars, split)
    definition = Definition.from_dict(pattern.definition)
    segments = {
        "train": _segment(readable.before, split.train, definition, market),
        "validation": _segment(readable.before, split.validation, definition, market),
        "forward": _segment(readable.forward, slice(None), definition, market) if readable.forward else None,
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


def occurrences_on_price(pattern: Pattern, n_bars: int = 500) -> JSONDict:
    """Return closes around the pattern's newest sightings, with the sightings marked, for a chart.

    Returns
    -------
    dict
        "times_us", "close": the newest `n_bars` bars on the side of the test window where it was seen
        last; "marks": "bar_us" and "is_success" of the sightings within them.
    """
    sightings = list(PatternSighting.objects.filter(pattern=pattern).order_by("-bar_us")[:n_bars])
    if not sightings:
        return {"times_us": [], "close": [], "marks": []}
    dataset = query_latest_dataset(pattern.market)
    bars = query_bars(dataset)
    readable = Readable.of(bars, query_split(dataset, bars=bars))
    sides = [side.bars for side in (readable.forward, readable.before) if side is not None]
    side = next((one for one in sides if one.timestamps[0] <= sightings[0].bar_us), sides[-1])
    last = int(np.searchsorted(side.timestamps, sightings[0].bar_us, side="right")) + pattern.horizon + 1
    shown = side[max(last - n_bars, 0) : last]
    return {
        "times_us": shown.timestamps.tolist(),
        "close": shown.close.tolist(),
        "marks": [
            {"bar_us": row.bar_us, "is_success": row.is_success}
            for row in reversed(sightings)
            if row.bar_us >= shown.timestamps[0]
        ],
    }


def _segment(features: Features, segment: slice, definition: Definition, market: Market) -> JSONDict | None:
    bars = features.bars[segment]
    if len(bars) < MIN_BACKTEST_BARS:
        return None
    positions = definition.direction * held_bars(features, definition, segment).astype(np.float64)
    costs = Costs(market.fee, market.slippage)
    result = run_backtest(bars, positions, costs, bars_per_year=market.bars_per_year)
    return {
        "first_us": int(bars.timestamps[0]),
        "last_us": int(bars.timestamps[-1]),
        "n_bars": len(bars),
        "metrics": result.metrics.as_dict(),
    }
