"""The offline markets: real daily index bars, 1999-2018, that ship inside the `arch` package."""

from __future__ import annotations

import importlib

import numpy as np

from trainingday.bars import Bars
from trainingday.markets.calendars import Calendar
from trainingday.markets.intervals import DAY
from trainingday.markets.services import LoadResult, get_or_create_market, load_bars

OFFLINE = {"SP500": "arch.data.sp500", "NASDAQ": "arch.data.nasdaq"}
VENUE = "arch"


def load_offline_markets() -> tuple[LoadResult, ...]:
    """Load the S&P 500 and NASDAQ index as daily markets; a second call changes nothing."""
    return tuple(_load_index(symbol, module) for symbol, module in OFFLINE.items())


def _load_index(symbol: str, module: str) -> LoadResult:
    frame = importlib.import_module(module).load()
    stamps = frame.index.to_numpy().astype("datetime64[us]").astype(np.int64)
    columns = [frame[name].to_numpy(dtype=np.float64) for name in ("Open", "High", "Low", "Close", "Volume")]
    bars = Bars.create(stamps, *columns)
    market, _ = get_or_create_market(symbol, VENUE, DAY, calendar=Calendar.US_EQUITIES)
    return load_bars(market, bars, f"{module} (real daily bars shipped with the arch package)")
