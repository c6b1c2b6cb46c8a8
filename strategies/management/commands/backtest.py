"""Backtests one strategy on the bars of a market that may be seen; prints a table and writes a report."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand
from rich import box
from rich.console import Console
from rich.table import Table

from strategies.backtest_report import write_report
from strategies.backtest_tables import metric_rows, times
from strategies.backtests import (
    DEFAULT_SEGMENT,
    WHY_NO_TEST,
    BacktestReport,
    backtest_strategy,
)
from trainingday.exceptions import InvalidArgument, TrainingDayError
from trainingday.markets.queries import query_market


class Command(BaseCommand):
    help = "Backtest one strategy on train and validation bars, never on the sealed test window or bars after it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--market", required=True, help="for example SP500-1d")
        parser.add_argument(
            "--strategy",
            required=True,
            help="a family's name, for example momentum, or a stored strategy's number",
        )
        parser.add_argument("parameters", nargs="*", help="name=value, for example lookback=20")
        parser.add_argument("--fee", help="fraction per side, 0..0.1; default: the market's own")
        parser.add_argument("--slippage", help="fraction per side, 0..0.1; default: the market's own")
        parser.add_argument(
            "--segment", default=DEFAULT_SEGMENT, help="train, validation, or both joined by +"
        )
        parser.add_argument("--output", help="the report's file; default: backtest-MARKET-STRATEGY.html")

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console()
        try:
            report = backtest_strategy(
                query_market(options["market"]),
                options["strategy"],
                _parameters(options["parameters"]),
                options["segment"],
                fee=_number("fee", options["fee"]),
                slippage=_number("slippage", options["slippage"]),
                max_bars=None,
            )
            default = f"backtest-{report.market.slug}-{report.family.name}.html"
            path = write_report(report, Path(options["output"] or default))
        except TrainingDayError as error:
            self.stderr.write(str(error))
            sys.exit(2)
        _print(report, console)
        console.print(f"Report: {path}", markup=False, soft_wrap=True)


def _parameters(words: list[str]) -> dict[str, float]:
    """Return name=value words as numbers, or raise InvalidArgument."""
    values: dict[str, float] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not (name and sign):
            raise InvalidArgument(f"a parameter should be name=value, is {word!r}")
        if name in values:
            raise InvalidArgument(f"{name} should be given once, is given twice")
        values[name] = _number(name, text) or 0.0
    return values


def _number(name: str, text: str | float | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError as error:
        raise InvalidArgument(f"{name} should be a number, is {text!r}") from error


def _print(report: BacktestReport, console: Console) -> None:
    costs = f"fee {report.costs.fee:g}, slippage {report.costs.slippage:g} per side"
    console.print(f"{report.label} on {report.market.slug}, net of {costs}", markup=False, highlight=False)
    rows = metric_rows(report)
    for index, part in enumerate(report.segments):
        first, *_, last = times(part.bars, np.array([0, -1]))
        table = Table(title=f"{part.name}, {first} to {last}", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("Metric", no_wrap=True)
        table.add_column("Unit")
        for column in ("Strategy", "Buy & hold"):
            table.add_column(column, justify="right", no_wrap=True)
        for row in rows:
            cells = row.cells[2 * index : 2 * index + 2]
            table.add_row(row.metric.title, row.metric.unit, *(_cell(*cell) for cell in cells))
        console.print(table)
    console.print("In brackets: the 95 % interval of an estimate.", markup=False)
    console.print(f"{report.note} {WHY_NO_TEST}".strip(), markup=False)


def _cell(value: str, interval: str) -> str:
    return f"{value} ({interval})" if interval else value
