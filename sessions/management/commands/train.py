"""Runs a training session in the foreground, with progress, and prints its report."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console

from sessions.models import TrainingSession
from sessions.reporting import print_report
from sessions.services import request_session
from trainingday.exceptions import TrainingDayError
from trainingday.markets.queries import query_market
from trainingday.runs.foreground import run_in_foreground
from trainingday.runs.models import RunState, Trigger


class Command(BaseCommand):
    help = "Train on a market: search, training, tournament, pattern scan, evidence, gate."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--market", required=True, help="for example SP500-1d")
        parser.add_argument("--preset", default="quick", help="quick, standard or hour")
        parser.add_argument("--seed", type=int, help="the same seed on the same bars gives the same result")
        parser.add_argument("--trials", type=int, help="hyperparameter sets to try, instead of the preset's")
        parser.add_argument(
            "--first-only", action="store_true", help="do nothing if the market has had a session"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console()
        try:
            market = query_market(options["market"])
            if options["first_only"] and TrainingSession.objects.filter(market=market).exists():
                self.stdout.write(
                    f"{market.slug} has had a training session; see the Training sessions page."
                )
                return
            session = request_session(
                market,
                options["preset"],
                trigger=Trigger.COMMAND,
                seed=options["seed"],
                n_trials=options["trials"],
            )
        except (TrainingDayError, ValueError) as error:
            self.stderr.write(str(error))
            sys.exit(2)
        finished = cast(TrainingSession, run_in_foreground(session, console))
        print_report(finished, console)
        if finished.state != RunState.SUCCEEDED:
            sys.exit(1)
