"""Runs a tournament in the foreground, with progress, and prints its leaderboard and verdict."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any, cast

from django.core.management.base import BaseCommand
from rich import box
from rich.console import Console
from rich.table import Table

from strategies import queries
from strategies.leaderboard import Standing, leaderboard
from strategies.models import Tournament
from strategies.plans import GENETIC, SEARCHES
from strategies.services import request_tournament
from trainingday.display import number
from trainingday.exceptions import TrainingDayError
from trainingday.markets.queries import query_market, query_test_window
from trainingday.runs.foreground import run_in_foreground
from trainingday.runs.models import RunState, Trigger

N_LINES = 12
COLUMNS = ("#", "Strategy", "Fitness", "Sharpe", "2× costs", "Return [%]", "Trades")


class Command(BaseCommand):
    help = (
        "Breed strategies for a market on validation; the winner sits one sealed exam if it is a challenger."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--market", required=True, help="for example SP500-1d")
        parser.add_argument("--generations", type=int, default=10, help="bred after the founders, 1..200")
        parser.add_argument("--population", type=int, default=40, help="entrants per generation, 4..2000")
        parser.add_argument("--seed", type=int, help="the same seed on the same bars gives the same result")

        parser.add_argument(
            "--search", choices=list(SEARCHES), default=GENETIC, help="nsga2: fitness, drawdown and turnover"
        )
        parser.add_argument(
            "--seed-from", type=int, metavar="NUMBER", help="a past tournament whose fittest found this one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console()
        try:
            past = options["seed_from"]
            tournament = request_tournament(
                query_market(options["market"]),
                trigger=Trigger.COMMAND,
                seed=options["seed"],
                n_generations=options["generations"],
                population_size=options["population"],
                search=options["search"],
                seed_from=None if past is None else queries.query_past_tournament(past),
            )
        except (TrainingDayError, ValueError) as error:
            self.stderr.write(str(error))
            sys.exit(2)
        finished = cast(Tournament, run_in_foreground(tournament, console))
        _print(finished, console)
        if finished.state != RunState.SUCCEEDED:
            sys.exit(1)


def _print(tournament: Tournament, console: Console) -> None:
    lines = leaderboard(tournament, N_LINES)
    if lines:
        table = Table(
            title=f"{tournament.public_id}, seed {tournament.seed}: scores on validation, net of costs",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        for index, column in enumerate(COLUMNS):
            if index == 1:
                table.add_column(column, min_width=20, overflow="fold")
            else:
                table.add_column(column, justify="right", no_wrap=True)
        for line in lines:
            table.add_row(*_cells(line))
        console.print(table)
    console.print(f"{tournament.state}: {tournament.reason}", markup=False)
    window = query_test_window(tournament.market)
    if window is not None:
        console.print(queries.exams_summary(tournament.market, window), markup=False)


def _cells(line: Standing) -> list[str]:
    total = None if line.total_return is None else 100 * line.total_return
    return [
        "–" if line.place is None else str(line.place),
        f"{line.label} (control)" if line.is_control else line.label,
        number(line.fitness),
        number(line.sharpe_ratio),
        number(line.sharpe_double_costs),
        number(total),
        str(line.n_trades),
    ]
