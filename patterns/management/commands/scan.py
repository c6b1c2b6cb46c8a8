"""Runs a pattern scan in the foreground, with progress, and prints what it tested, found and confirmed."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any, cast

from django.core.management.base import BaseCommand
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from patterns.models import Pattern, PatternScan
from patterns.options import (
    DEFAULT_CONDITIONS,
    DEFAULT_HORIZONS,
    DEFAULT_REGIMES,
    DEFAULT_WINDOWS,
    ScanChoices,
)
from patterns.services import request_scan
from trainingday.exceptions import TrainingDayError
from trainingday.markets.queries import query_market
from trainingday.runs.foreground import run_in_foreground
from trainingday.runs.models import RunState, Trigger
from trainingday.typing import JSONDict

N_LINES = 20
COLUMNS = ("Pattern", "Train", "Later", "95 %", "n", "Base", "Net", "q")
CAPTION = (
    "Success and net return per sighting after costs, in %; train, on which it was found, flatters; later is "
    "validation; base: the same trade from every bar. ✓ confirmed, ✗ retired."
)
MARKS = {Pattern.State.CONFIRMED: "✓", Pattern.State.RETIRED: "✗"}


class Command(BaseCommand):
    help = "Search a market's bars for patterns: mined on train, confirmed on validation, never on test."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--market", required=True, help="for example SP500-1d")
        parser.add_argument("--seed", type=int, help="recorded with the run; a scan draws nothing at random")
        parser.add_argument(
            "--window",
            type=int,
            action="append",
            dest="windows",
            help="bars of a shape, a multiple of 5; may be repeated; default 50",
        )
        parser.add_argument(
            "--horizon",
            type=int,
            action="append",
            dest="horizons",
            help="bars that a position is held; may be repeated; default 1, 2, 5, 10, 20 and 50",
        )
        parser.add_argument(
            "--regimes",
            default=",".join(DEFAULT_REGIMES),
            help="what a pattern may ask beside its word, of volatility,volume,trend,place; default %(default)s",
        )
        parser.add_argument(
            "--at-once",
            type=int,
            default=DEFAULT_CONDITIONS,
            help="how many of them at once, 0 to 2; default %(default)s",
        )
        parser.add_argument(
            "--threshold", type=float, default=0.0, help="return after costs that counts as success, fraction"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console()
        try:
            scan = request_scan(
                query_market(options["market"]),
                trigger=Trigger.COMMAND,
                seed=options["seed"],
                choices=ScanChoices(
                    options["windows"] or DEFAULT_WINDOWS,
                    options["horizons"] or DEFAULT_HORIZONS,
                    [name for name in options["regimes"].split(",") if name],
                    options["at_once"],
                    options["threshold"],
                ),
            )
        except TrainingDayError as error:
            self.stderr.write(" ".join(str(error).split()))
            sys.exit(2)
        finished = cast(PatternScan, run_in_foreground(scan, console))
        _print(finished, console)
        if finished.state != RunState.SUCCEEDED:
            sys.exit(1)


def _print(scan: PatternScan, console: Console) -> None:
    found = Pattern.objects.filter(last_scan=scan).order_by("-state", "q_value", "pk")
    confirmed = [row for row in found if row.state == Pattern.State.CONFIRMED]
    lines = [*confirmed, *(row for row in found if row.state != Pattern.State.CONFIRMED)][:N_LINES]
    if lines:
        title = f"{scan.public_id}, seed {scan.seed}: the best {len(lines)}"
        table = Table(title=title, caption=CAPTION, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for index, column in enumerate(COLUMNS):
            table.add_column(column, justify="right" if index else "left", no_wrap=True)
        for row in lines:
            table.add_row(*_cells(row))
        console.print(table)
    if scan.recognition:
        console.print(_recognition(scan.recognition), markup=False)
    console.print(f"{scan.state}: {scan.reason}", markup=False)


def _cells(row: Pattern) -> list[str]:
    train, later = row.discovery, row.confirmation
    interval = f"{_percent(later.get('success_low'), 0)}–{_percent(later.get('success_high'), 0)}"
    return [
        f"{MARKS.get(Pattern.State(row.state), ' ')} {row.key}",
        _percent(train.get("success_rate"), 0),
        _percent(later.get("success_rate"), 0),
        interval,
        str(later.get("n_known", 0)),
        _percent(later.get("base_rate"), 0),
        _percent(later.get("mean_net_return"), 2),
        "–" if row.q_value is None else f"{row.q_value:.1g}",
    ]


def _recognition(measured: JSONDict) -> str:
    return (
        f"recognition {_percent(measured['score'])} % ({measured['n_recognised']} of max(100, "
        f"{measured['n_known']}) above 60 % out of sample); accuracy {_percent(measured['accuracy'])} % "
        f"({_percent(measured['accuracy_low'])} to {_percent(measured['accuracy_high'])}), "
        f"base rate {_percent(measured['base_rate'])} %"
    )


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}"
