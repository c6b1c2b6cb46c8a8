"""Candles for a chart: a stretch of bars drawn together into few enough to show."""

from __future__ import annotations

import numpy as np

from trainingday.bars import Bars
from trainingday.typing import JSONDict

MAX_CANDLES = 400  # of four values each: under 2,000 points


def draw_candles(bars: Bars, first_us: int | None = None, last_us: int | None = None) -> JSONDict:
    """Return at most 400 candles of the bars within [first_us, last_us].

    Each candle joins the same number of neighbouring bars: first open, highest high, lowest low, last
    close, sum of volumes. `bars_per_candle` says how many.
    """
    start = 0 if first_us is None else int(np.searchsorted(bars.timestamps, first_us, side="left"))
    stop = len(bars) if last_us is None else int(np.searchsorted(bars.timestamps, last_us, side="right"))
    shown = bars[start : max(stop, start)]
    if len(shown) == 0:
        return {"x": [], "open": [], "high": [], "low": [], "close": [], "volume": [], "bars_per_candle": 1}
    size = -(-len(shown) // MAX_CANDLES)
    starts = np.arange(0, len(shown), size)
    ends = np.append(starts[1:], len(shown)) - 1
    stamps = shown.timestamps[starts].astype("datetime64[us]").astype("datetime64[s]")
    return {
        "x": [f"{stamp}Z" for stamp in np.datetime_as_string(stamps)],
        "open": shown.open[starts].tolist(),
        "high": np.maximum.reduceat(shown.high, starts).tolist(),
        "low": np.minimum.reduceat(shown.low, starts).tolist(),
        "close": shown.close[ends].tolist(),
        "volume": np.add.reduceat(shown.volume, starts).tolist(),
        "bars_per_candle": int(size),
    }
