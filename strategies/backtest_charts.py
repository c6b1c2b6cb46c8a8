"""The plots of a backtest: equity and drawdown beside buy & hold, and trades on price."""

from __future__ import annotations

from strategies.backtest_tables import times
from strategies.backtests import BacktestReport, SegmentReport, drawn_points
from trainingday.charts import Chart, Trace
from trainingday.stats.drawdowns import drawdown_series
from trainingday.typing import FloatArray

TIME = "Bar, UTC"
ROLES = {"train": "train", "validation": "validation"}


def equity_chart(report: BacktestReport) -> Chart:
    traces = []
    for part in report.segments:
        traces.append(_line(part, f"{part.name}: strategy", part.result.equity))
        traces.append(_line(part, f"{part.name}: buy & hold", part.hold.equity, is_hold=True))
    return Chart(TIME, "Equity, start of the segment = 1", traces, is_time=True)


def drawdown_chart(report: BacktestReport) -> Chart:
    traces = []
    for part in report.segments:
        for name, falls, is_hold in (
            ("strategy", part.drawdowns, False),
            ("buy & hold", drawdown_series(part.hold.equity), True),
        ):
            if falls is not None:
                traces.append(_line(part, f"{part.name}: {name}", 100.0 * falls, is_hold=is_hold))
    return Chart(TIME, "Drawdown [%]", traces, is_time=True)


def price_chart(report: BacktestReport) -> Chart:
    """Return closes with the fills of each trade: triangles enter long or short, circles leave."""
    lines = [_line(part, f"{part.name}: close", part.bars.close) for part in report.segments]
    marks = [
        _marks(report, "enter long", "good", "triangle-up", direction=1.0),
        _marks(report, "enter short", "bad", "triangle-down", direction=-1.0),
        _marks(report, "leave", "dim", "circle-open", direction=None),
    ]
    traces = [*lines, *(trace for trace in marks if trace.x)]
    return Chart(TIME, "Price in the quote currency", traces, is_time=True)


def _line(part: SegmentReport, name: str, values: FloatArray, *, is_hold: bool = False) -> Trace:
    places = drawn_points(values)
    return Trace(
        name,
        times(part.bars, places),
        values[places].tolist(),
        role=ROLES[part.name],
        dash="dot" if is_hold else "solid",
    )


def _marks(report: BacktestReport, name: str, role: str, symbol: str, direction: float | None) -> Trace:
    """Return the entries of one direction, or with None the exits of closed trades, of all segments."""
    x: list[str] = []
    y: list[float | None] = []
    for part in report.segments:
        trades = part.result.trades
        chosen = ~trades.is_open if direction is None else trades.direction == direction
        bars = trades.exit_bar if direction is None else trades.entry_bar
        prices = trades.exit_price if direction is None else trades.entry_price
        x += times(part.bars, bars[chosen])
        y += prices[chosen].tolist()
    labels = [f"{name} at {price:.6g}, {time}" for time, price in zip(x, y, strict=True)]
    return Trace(name, x, y, role=role, mode="markers", symbol=symbol, labels=labels)
