"""The plots of a model's evidence; nothing of the test window but its prices, unless the exam was passed."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sessions.model_pages import ModelLine
from sessions.model_series import CHAMPION, HOLD, MODEL, ModelSeries, SegmentSeries, model_series
from sessions.queries import query_models
from strategies.backtest_tables import times
from strategies.backtests import drawn_points
from trainingday.backtest.result import Trades
from trainingday.charts import Chart, Trace
from trainingday.typing import FloatArray, IntArray

TIME = "Bar, UTC"
DASH = {MODEL: "solid", CHAMPION: "dash", HOLD: "dot"}
N_BINS = 41
WIDEST = 4.0  # standard deviations that the histogram reaches to either side
MIN_ROLLING = 30
MOST_LEFT = 150  # trades up to which the price shows where each was left


class EvidenceCharts(NamedTuple):
    """Price with segments and trades, equity, paired differences, rolling Sharpe ratios."""

    price: Chart
    equity: Chart
    differences: Chart
    rolling: Chart
    rolling_bars: int
    rival: str


def evidence_charts(line: ModelLine) -> EvidenceCharts:
    """Return the plots of a model; computed once per process, for artefacts and bars never change."""
    return _cached(line.model.pk, line.has_passed)


@lru_cache(maxsize=32)
def _cached(pk: int, has_passed: bool) -> EvidenceCharts:
    series = model_series(ModelLine(query_models().get(pk=pk)))
    window = max(MIN_ROLLING, len(series.segments[0].bars) // 8)
    return EvidenceCharts(
        price=_price(series),
        equity=_equity(series),
        differences=_differences(series),
        rolling=_rolling(series, window),
        rolling_bars=window,
        rival=series.segments[-1].rival,
    )


def _price(series: ModelSeries) -> Chart:
    places = drawn_points(series.bars.close)
    close = Trace("close", times(series.bars, places), series.bars.close[places].tolist(), role="dim")
    marks = [_marks(series, *mark) for mark in (("enter long", "good", "triangle-up", 1.0), ("enter short", "bad", "triangle-down", -1.0), ("leave", "dim", "circle-open", None))]  # fmt: skip
    if sum(len(mark.x) for mark in marks[:2]) > MOST_LEFT:
        marks.pop()  # so many circles would hide the entries
    bands = []
    for name in ("train", "validation", "test"):
        part: slice = getattr(series.split, name)
        first, last = times(series.bars, np.array([part.start, part.stop - 1]))
        bands.append({"from": first, "to": last, "role": name, "label": name})
    return Chart(
        TIME, "Price in the quote currency", [close, *(m for m in marks if m.x)], bands, is_time=True
    )


def _marks(series: ModelSeries, name: str, role: str, symbol: str, direction: float | None) -> Trace:
    """Return entries of one direction, or with None the exits of closed trades, of all segments shown."""
    x: list[str] = []
    y: list[float | None] = []
    for part in series.segments:
        trades: Trades = part.results[MODEL].trades
        chosen = ~trades.is_open if direction is None else trades.direction == direction
        places: IntArray = (trades.exit_bar if direction is None else trades.entry_bar)[chosen]
        prices: FloatArray = (trades.exit_price if direction is None else trades.entry_price)[chosen]
        x += times(part.bars, places)
        y += prices.tolist()
    return Trace(name, x, y, role=role, mode="markers", symbol=symbol)


def _equity(series: ModelSeries) -> Chart:
    traces = [
        _line(part, name, result.equity, np.arange(len(part.bars)))
        for part in series.segments
        for name, result in part.results.items()
    ]
    return Chart(TIME, "Equity, start of the segment = 1", traces, is_time=True)


def _line(part: SegmentSeries, name: str, values: FloatArray, bars: IntArray) -> Trace:
    places = drawn_points(values)
    stamps = times(part.bars, bars[places])
    return Trace(f"{part.name}: {name}", stamps, values[places].tolist(), role=part.name, dash=DASH[name])


def _differences(series: ModelSeries) -> Chart:
    """Return the share of bars by difference of net returns, in steps, for each segment shown."""
    traces = []
    for part in series.segments:
        values = 100.0 * part.differences
        spread = float(values.std())
        if spread <= 0.0:
            continue
        edges = np.linspace(-WIDEST * spread, WIDEST * spread, N_BINS + 1)
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        shares = 100.0 * counts / values.shape[0]
        x = np.repeat(edges, 2)[1:-1]
        name = f"{part.name}: model − {part.rival}, n = {values.shape[0]:,}"
        traces.append(Trace(name, x.tolist(), np.repeat(shares, 2).tolist(), role=part.name))
    return Chart("Difference of net returns per bar [%]", "Share of bars [%]", traces)


def _rolling(series: ModelSeries, window: int) -> Chart:
    traces = []
    for part in series.segments:
        for name, result in part.results.items():
            values = rolling_sharpe(result.returns, window, series.bars_per_year)
            if values.size:
                bars = np.arange(window, window + values.size)
                traces.append(_line(part, name, values, bars))
    return Chart(TIME, "Sharpe ratio, annualised", traces, is_time=True)


def rolling_sharpe(returns: FloatArray, window: int, bars_per_year: float) -> FloatArray:
    """Return annualised Sharpe ratios of the last `window` returns, shape (n_returns - window + 1,).

    Notes
    -----
    ddof 1; 0 where a window's returns are all alike, as a policy's that stayed flat. Empty if there are fewer
    than `window` returns.
    """
    if returns.shape[0] < window:
        return np.empty(0)
    views = np.lib.stride_tricks.sliding_window_view(returns, window)
    deviation = views.std(axis=1, ddof=1)
    floor = 1e-12 * np.maximum(1.0, np.abs(views).max(axis=1))
    is_defined = deviation > floor
    ratios = np.where(is_defined, views.mean(axis=1) / np.where(is_defined, deviation, 1.0), 0.0)
    rolled: FloatArray = ratios * math.sqrt(bars_per_year)
    return rolled
