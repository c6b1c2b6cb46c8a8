"""Markets with planted patterns, and scans carried out in this process, as a child would."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import cast

import numpy as np

from patterns.models import PatternScan
from patterns.services import request_scan
from trainingday.bars import Bars
from trainingday.markets.models import Market
from trainingday.markets.services import load_bars
from trainingday.runs import services
from trainingday.runs.child import work
from trainingday.runs.context import RunContext
from trainingday.runs.models import Trigger
from trainingday.synthetic import planted_words_market

N_BARS = 24_000


@lru_cache(maxsize=2)
def planted_bars(n_bars: int = N_BARS, index: int = 0) -> Bars:
    """Return a market in which ten words are followed by a drift of 0.9 volatility units."""
    return planted_words_market(n_bars, index, effect=0.9).bars


@lru_cache(maxsize=2)
def faded_bars(n_bars: int, last: int, index: int = 0) -> Bars:
    """Return the planted market with its drift taken out from bar `last` on."""
    planted = planted_words_market(n_bars, index, effect=0.9)
    drift = np.where(np.arange(n_bars) < last, 0.0, planted.drift)
    shift = np.exp(-np.cumsum(drift))
    before = np.concatenate(([1.0], shift[:-1]))
    bars = planted.bars
    open_, close = bars.open * before, bars.close * shift
    high, low = np.maximum(open_, close) * 1.0005, np.minimum(open_, close) * 0.9995
    return Bars.create(bars.timestamps, open_, high, low, close, bars.volume)


def with_other_prices(bars: Bars, segment: slice) -> Bars:
    """Return the bars with quite different prices within a segment."""
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume")}
    size = bars.close[segment].shape[0]
    factor = 1 + 0.5 * np.sin(np.arange(size))
    for values in columns.values():
        values[segment] *= factor
    return replace(bars, **columns)


def make_market(bars: Bars, symbol: str = "PLANTED") -> Market:
    market = Market.objects.create(symbol=symbol, venue="test", interval=3600)
    load_bars(market, bars, "seeded")
    return market


def context_of(scan: PatternScan) -> RunContext:
    """Claim a scan and return the context that its child would work with."""
    fence = services.claim("scan", scan.pk)
    assert fence is not None
    return RunContext("scan", scan.pk, fence)


def scan_market(market: Market, **options: object) -> PatternScan:
    """Carry out a scan of the market's newest bars; return its row as it is afterwards."""
    scan = request_scan(market, trigger=Trigger.COMMAND, seed=1, **options)
    work(context_of(scan))
    return cast(PatternScan, services.get_run("scan", scan.pk))
