"""Runs the honesty benchmark: what the gate and the miner claim on markets whose truth is known."""

from __future__ import annotations

import sys
import time
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as ProgressBar
from rich.table import Table

from sessions.honesty.benchmark import Progress, run_benchmark
from sessions.honesty.journal import Journal
from sessions.honesty.options import PARTS, HonestyOptions, Mutant
from sessions.honesty.report import Line
from sessions.models import HonestyRun
from trainingday.exceptions import InvalidArgument
from trainingday.synthetic import SEED

SECONDS_BETWEEN_LINES = 20.0
COLUMNS = ("Measured", "Count", "Rate", "95 % interval", "Rule", "")


class Command(BaseCommand):
    help = "Measure false promotions and power on synthetic markets; exits 1 if a rule fails, 2 on bad input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--markets", type=int, default=200, help="null and planted markets for each part, 2..10000"
        )
        parser.add_argument("--parts", default=",".join(PARTS), help="some of models,tournaments,patterns")
        parser.add_argument("--seed", type=int, default=SEED, help="the same seed gives the same result")
        parser.add_argument(
            "--train",
            type=int,
            default=0,
            help="also train models on this many null and planted markets; slow",
        )
        parser.add_argument("--workers", type=int, default=2, help="processes; no result depends on it")
        parser.add_argument(
            "--store", action=BooleanOptionalAction, default=True, help="keep it for the page"
        )
        parser.add_argument(
            "--journal",
            type=Path,
            help="keep each market's outcome in this file, and go on from what it holds",
        )
        parser.add_argument("--mutant", default="", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console()
        began = time.monotonic()
        try:
            asked = _options(options)
            lines = _run(asked, Journal(options["journal"]) if options["journal"] else None, console)
        except InvalidArgument as error:
            self.stderr.write(str(error))
            sys.exit(2)
        seconds = time.monotonic() - began
        _print(lines, console)
        failed = [line for line in lines if line.has_passed is False]
        # A faulty product's figures have no place beside the product's own.
        if options["store"] and asked.mutant is Mutant.NONE:
            _store(asked, lines, seconds, has_passed=not failed)
        console.print(_verdict(asked, failed, seconds), markup=False)
        if failed:
            sys.exit(1)


def _options(options: dict[str, Any]) -> HonestyOptions:
    if options["mutant"] not in list(Mutant):
        names = ", ".join(mutant for mutant in Mutant if mutant)
        raise InvalidArgument(f"mutant should be one of {names}, is {options['mutant']!r}")
    return HonestyOptions(
        n_markets=options["markets"],
        parts=tuple(part.strip() for part in options["parts"].split(",")),
        seed=options["seed"],
        n_trained=options["train"],
        mutant=Mutant(options["mutant"]),
        n_workers=options["workers"],
    )


def _run(asked: HonestyOptions, journal: Journal | None, console: Console) -> list[Line]:
    if not console.is_terminal:
        return run_benchmark(asked, _printer(console), journal)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with ProgressBar(*columns, console=console) as progress:
        bar = progress.add_task("markets", total=None)

        def on_done(n_done: int, n_tasks: int) -> None:
            progress.update(bar, completed=n_done, total=n_tasks)

        return run_benchmark(asked, on_done, journal)


def _printer(console: Console) -> Progress:
    """Return what prints a line now and then, for a log file: a bar needs a terminal."""
    began = last = time.monotonic()

    def on_done(n_done: int, n_tasks: int) -> None:
        nonlocal last
        now = time.monotonic()
        if n_done == n_tasks or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            console.print(f"{n_done} of {n_tasks} markets, {now - began:.0f} s")

    return on_done


def _store(asked: HonestyOptions, lines: Sequence[Line], seconds: float, *, has_passed: bool) -> None:
    HonestyRun.objects.create(
        parts=list(asked.parts),
        n_markets=asked.n_markets,
        n_trained=asked.n_trained,
        seed=asked.seed,
        results=[line.as_dict() for line in lines],
        has_passed=has_passed,
        seconds=seconds,
    )


def _print(lines: Sequence[Line], console: Console) -> None:
    for part in dict.fromkeys(line.part for line in lines):
        table = Table(title=part.capitalize(), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
        for index, column in enumerate(COLUMNS):
            is_number = 1 <= index <= 3
            table.add_column(column, justify="right" if is_number else "left", no_wrap=index > 0)
        for line in lines:
            if line.part == part:
                table.add_row(*_cells(line))
        console.print(table)


def _cells(line: Line) -> list[str]:
    digits = 3 if line.unit == "rate" else 2
    return [
        line.title,
        f"n = {line.n}" if line.count is None else f"{line.count} of {line.n}",
        f"{line.value:.{digits}f}",
        f"{line.low:.{digits}f}–{line.high:.{digits}f}",
        line.rule,
        {True: "holds", False: "FAILS", None: ""}[line.has_passed],
    ]


def _verdict(asked: HonestyOptions, failed: Sequence[Line], seconds: float) -> str:
    rules = (
        "1 rule fails" if len(failed) == 1 else f"{len(failed)} rules fail" if failed else "every rule holds"
    )
    fault = f", with the fault {asked.mutant!s} put in on purpose" if asked.mutant else ""
    return f"{asked.n_markets} markets per part, seed {asked.seed}, {seconds:.0f} s{fault}: {rules}."
