"""Runs a training session in the foreground, with progress, and prints its report."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console

from sessions.models import SessionReplay, TrainingSession
from sessions.queries import query_session
from sessions.reporting import print_report
from sessions.services import request_replay, request_session
from trainingday.exceptions import InvalidArgument, TrainingDayError
from trainingday.markets.queries import query_market
from trainingday.runs.foreground import run_in_foreground
from trainingday.runs.models import Run, RunState, Trigger


class Command(BaseCommand):
    help = "Train on a market: search, training, tournament, pattern scan, evidence, gate."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--market", help="for example SP500-1d")
        parser.add_argument("--preset", default="quick", help="quick, standard or hour")
        parser.add_argument("--seed", type=int, help="the same seed on the same bars gives the same result")
        parser.add_argument("--trials", type=int, help="hyperparameter sets to try, instead of the preset's")
        parser.add_argument(
            "--replay", type=int, metavar="N", help="run session N again and compare it bit for bit"
        )
        parser.add_argument(
            "--first-only", action="store_true", help="do nothing if the market has had a session"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console()
        try:
            run = self._requested(options)
        except (TrainingDayError, ValueError) as error:
            self.stderr.write(str(error))
            sys.exit(2)
        if run is None:
            return
        finished = run_in_foreground(run, console)
        if isinstance(finished, TrainingSession):
            print_report(finished, console)
        else:
            console.print(f"[bold]{finished.state}[/bold]: {finished.reason}", highlight=False)
        if finished.state != RunState.SUCCEEDED or _differs(finished):
            sys.exit(1)

    def _requested(self, options: dict[str, Any]) -> Run | None:
        if options["replay"] is not None:
            return request_replay(query_session(options["replay"]), trigger=Trigger.COMMAND)
        if options["market"] is None:
            raise InvalidArgument("train needs --market, or --replay of a finished session")
        market = query_market(options["market"])
        if options["first_only"] and TrainingSession.objects.filter(market=market).exists():
            self.stdout.write(f"{market.slug} has had a training session; see the Training sessions page.")
            return None
        return request_session(
            market,
            options["preset"],
            trigger=Trigger.COMMAND,
            seed=options["seed"],
            n_trials=options["trials"],
        )


def _differs(run: Run) -> bool:
    return isinstance(run, SessionReplay) and run.result != SessionReplay.Result.SAME
