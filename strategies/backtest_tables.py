"""A backtest's figures as rows: metrics with units, months by year, trades, and files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from strategies.backtests import BacktestReport, SegmentReport
from trainingday.bars import Bars
from trainingday.display import UNDEFINED, is_defined, number
from trainingday.exports import csv_text
from trainingday.typing import IntArray

MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HEAT_STEPS = (0.01, 0.03, 0.06)  # absolute monthly returns at which a cell's shade deepens
MICROSECONDS_PER_DAY = 86_400_000_000
EQUITY_SCHEMA = pa.schema(
    [("segment", pa.string()), ("time", pa.string())]
    + [(name, pa.float64()) for name in ("close", "position", "equity", "drawdown", "buy_and_hold_equity")]
)
MOMENT = pa.timestamp("us", "UTC")
TRADES_SCHEMA = pa.schema(
    [("segment", pa.string()), ("entry_time", MOMENT), ("exit_time", MOMENT), ("direction", pa.string())]
    + [(name, pa.float64()) for name in ("size", "entry_price", "exit_price", "fees", "net_profit")]
    + [("bars_held", pa.int64()), ("is_open", pa.bool_())]
)


@dataclass(frozen=True)
class Metric:
    """How one metric is shown: name, unit, decimals, factor from what is stored, and what it is."""

    name: str
    title: str
    unit: str
    digits: int = 2
    factor: float = 1.0
    meaning: str = ""
    low: str = ""
    high: str = ""

    def shown(self, values: dict[str, Any]) -> str:
        value = values[self.name]
        return number(value * self.factor, self.digits) if is_defined(value) else UNDEFINED

    def interval(self, values: dict[str, Any]) -> str:
        """Return "low to high" of the 95 % interval, "" where there is none."""
        if not (self.low and is_defined(values[self.low]) and is_defined(values[self.high])):
            return ""
        ends = (number(values[name] * self.factor, self.digits) for name in (self.low, self.high))
        return " to ".join(ends)


METRICS = (
    Metric("n_bars", "Bars", "n", 0),
    Metric("total_return", "Total return", "%", 1, 100.0, "Compounded, net of costs."),
    Metric("annual_return", "Annual return", "%", 1, 100.0, "Compounded per year."),
    Metric("volatility", "Volatility", "% a year", 1, 100.0),
    Metric(
        "sharpe_ratio",
        "Sharpe ratio",
        "annualised",
        meaning="Mean over deviation of net returns, risk-free rate 0.",
        low="sharpe_low",
        high="sharpe_high",
    ),
    Metric("sortino_ratio", "Sortino ratio", "annualised", meaning="Mean over downside deviation."),
    Metric("calmar_ratio", "Calmar ratio", "ratio", meaning="Annual return over maximum drawdown."),
    Metric("max_drawdown", "Max drawdown", "%", 1, 100.0, "Deepest fall below a peak, at closes."),
    Metric(
        "max_drawdown_bars", "Drawdown length", "bars", 0, meaning="From the peak to recovery or the end."
    ),
    Metric("n_trades", "Closed trades", "n", 0),
    Metric(
        "win_rate",
        "Win rate",
        "% of closed trades",
        1,
        100.0,
        "Closed trades with net profit above 0.",
        low="win_rate_low",
        high="win_rate_high",
    ),
    Metric("profit_factor", "Profit factor", "ratio", meaning="Gross profit over gross loss."),
    Metric("expectancy", "Mean trade", "% of start", 3, 100.0, "Mean net profit of a closed trade."),
    Metric("exposure", "Time in the market", "% of bars", 1, 100.0),
    Metric("turnover", "Turnover", "× equity a year", 1),
    Metric("costs_paid", "Costs paid", "% of start", 1, 100.0, "Fees and slippage, of the starting equity."),
)


@dataclass(frozen=True)
class MetricRow:
    """A metric with one (value, interval) for the strategy and for buy & hold of each segment."""

    metric: Metric
    cells: list[tuple[str, str]]


def metric_rows(report: BacktestReport) -> list[MetricRow]:
    """Return a row for each metric; cells in the order strategy, buy & hold, for each segment in turn."""
    columns = [values for part in report.segments for values in (part.metrics, part.hold_metrics)]
    return [
        MetricRow(metric, [(metric.shown(values), metric.interval(values)) for values in columns])
        for metric in METRICS
    ]


@dataclass(frozen=True)
class MonthCell:
    """A month's return and its shade: "up-3" .. "up-0", "down-0" .. "down-3", "" without bars."""

    name: str
    value: float | None
    shade: str


@dataclass(frozen=True)
class YearRow:
    year: int
    cells: list[MonthCell]
    total: float


def year_rows(segment: SegmentReport) -> list[YearRow]:
    """Return the heat map of monthly returns, a row for each year; `total` compounds the row."""
    known = {(month.year, month.month): month.value for month in segment.months}
    rows = []
    for year in sorted({year for year, _ in known}):
        values = [known.get((year, month)) for month in range(1, 13)]
        total = float(np.prod([1.0 + value for value in values if value is not None])) - 1.0
        cells = [
            MonthCell(name, value, _shade(value)) for name, value in zip(MONTH_NAMES, values, strict=True)
        ]
        rows.append(YearRow(year, cells, total))
    return rows


def _shade(value: float | None) -> str:
    if value is None:
        return ""
    return f"{'up' if value >= 0 else 'down'}-{sum(abs(value) >= step for step in HEAT_STEPS)}"


@dataclass(frozen=True)
class TradeRow:
    """One trade; prices are fills with slippage, money is in units of the starting equity."""

    entry_time: str
    exit_time: str
    direction: str
    size: float
    entry_price: float
    exit_price: float
    fees: float
    net_profit: float
    bars_held: int
    is_open: bool


def trade_rows(segment: SegmentReport, limit: int | None = None) -> list[TradeRow]:
    """Return the trades in order of entry, the latest `limit` of them."""
    trades = segment.result.trades
    first = 0 if limit is None else max(0, len(trades) - limit)
    entries, exits = (times(segment.bars, column[first:]) for column in (trades.entry_bar, trades.exit_bar))
    return [
        TradeRow(
            entries[i - first],
            exits[i - first],
            "long" if trades.direction[i] > 0 else "short",
            float(trades.size[i]),
            float(trades.entry_price[i]),
            float(trades.exit_price[i]),
            float(trades.fees[i]),
            float(trades.net_profit[i]),
            int(trades.bars_held[i]),
            bool(trades.is_open[i]),
        )
        for i in range(first, len(trades))
    ]


def times(bars: Bars, places: IntArray) -> list[str]:
    """Return the opens of bars in UTC: the day alone where every bar of the segment opens at midnight."""
    is_daily = not (bars.timestamps % MICROSECONDS_PER_DAY).any()
    stamps = bars.timestamps[places].astype("datetime64[us]")
    texts = np.datetime_as_string(stamps.astype("datetime64[D]" if is_daily else "datetime64[s]"))
    return [str(text) if is_daily else f"{text}Z" for text in texts]


def trades_csv(report: BacktestReport) -> str:
    """Return every trade of every segment as CSV with a header."""
    rows = (
        [part.name, *(getattr(trade, name) for name in TRADES_SCHEMA.names[1:])]
        for part in report.segments
        for trade in trade_rows(part)
    )
    return csv_text(TRADES_SCHEMA.names, rows)


def equity_csv(report: BacktestReport) -> str:
    """Return every bar of every segment as CSV: close, target position, equity, drawdown, buy & hold.

    Its only texts are segment names and times, which no spreadsheet takes for formulas.
    """
    out = pa.BufferOutputStream()
    with pa_csv.CSVWriter(out, EQUITY_SCHEMA) as writer:
        for part in report.segments:
            writer.write_table(_equity_table(part))
    return str(out.getvalue().to_pybytes().decode("utf-8"))


def equity_parquet(report: BacktestReport) -> bytes:
    """Return what `equity_csv` does as Parquet: times are instants in UTC, and numbers are exact."""
    schema = EQUITY_SCHEMA.set(1, pa.field("time", MOMENT))
    out = pa.BufferOutputStream()
    with pq.ParquetWriter(out, schema) as writer:
        for part in report.segments:
            moments = pa.array(part.bars.timestamps.astype("datetime64[us]")).cast(MOMENT)
            writer.write_table(_equity_table(part).set_column(1, schema.field("time"), moments))
    return bytes(out.getvalue().to_pybytes())


def trades_parquet(report: BacktestReport) -> bytes:
    """Return every trade of every segment as Parquet: times are instants in UTC, and numbers are exact."""
    out = pa.BufferOutputStream()
    with pq.ParquetWriter(out, TRADES_SCHEMA) as writer:
        for part in report.segments:
            writer.write_table(_trades_table(part))
    return bytes(out.getvalue().to_pybytes())


def _trades_table(part: SegmentReport) -> Any:
    trades = part.result.trades
    entries, exits = (
        pa.array(part.bars.timestamps[places].astype("datetime64[us]")).cast(MOMENT)
        for places in (trades.entry_bar, trades.exit_bar)
    )
    names = [part.name] * len(trades)
    directions = np.where(np.asarray(trades.direction) > 0, "long", "short").tolist()
    columns = [names, entries, exits, directions]
    columns += [np.asarray(getattr(trades, name)) for name in TRADES_SCHEMA.names[4:-1]]
    columns.append(np.asarray(trades.is_open).astype(bool))
    return pa.table(dict(zip(TRADES_SCHEMA.names, columns, strict=True)), schema=TRADES_SCHEMA)


def _equity_table(part: SegmentReport) -> Any:
    n_bars = len(part.bars)
    columns = (
        [part.name] * n_bars,
        times(part.bars, np.arange(n_bars)),
        part.bars.close,
        part.result.positions,
        part.result.equity,
        pa.nulls(n_bars, pa.float64()) if part.drawdowns is None else part.drawdowns,
        part.hold.equity,
    )
    return pa.table(dict(zip(EQUITY_SCHEMA.names, columns, strict=True)), schema=EQUITY_SCHEMA)
