"""What the page of a backtest and its offline report show, gathered in one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strategies.backtest_charts import drawdown_chart, equity_chart, price_chart
from strategies.backtest_tables import (
    MONTH_NAMES,
    MetricRow,
    TradeRow,
    YearRow,
    metric_rows,
    trade_rows,
    year_rows,
)
from strategies.backtests import WHY_NO_TEST, BacktestReport, SegmentReport
from trainingday.charts import Chart

MAX_TRADE_ROWS = 100


@dataclass(frozen=True)
class SegmentPage:
    """What one segment shows: its range, its months and its latest trades."""

    report: SegmentReport
    first: str
    last: str
    years: list[YearRow]
    trades: list[TradeRow]

    @property
    def n_trades(self) -> int:
        return len(self.report.result.trades)


@dataclass(frozen=True)
class BacktestPage:
    """What the page and the offline report show of one backtest."""

    report: BacktestReport
    rows: list[MetricRow]
    segments: list[SegmentPage]
    equity: Chart
    drawdown: Chart
    price: Chart
    month_names: tuple[str, ...] = MONTH_NAMES
    why_no_test: str = WHY_NO_TEST


def backtest_page(report: BacktestReport, max_trades: int = MAX_TRADE_ROWS) -> BacktestPage:
    segments = []
    for part in report.segments:
        first, last = (f"{stamp}"[:16].replace("T", " ") for stamp in _ends(part))
        segments.append(SegmentPage(part, first, last, year_rows(part), trade_rows(part, max_trades)[::-1]))
    return BacktestPage(
        report,
        metric_rows(report),
        segments,
        equity_chart(report),
        drawdown_chart(report),
        price_chart(report),
    )


def _ends(part: SegmentReport) -> Any:
    return part.bars.timestamps[[0, -1]].astype("datetime64[us]")
