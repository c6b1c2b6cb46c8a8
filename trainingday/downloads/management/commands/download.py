"""Downloads bars from an exchange in the foreground, with progress; or refreshes a market that has some."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console

from trainingday.downloads.models import Download
from trainingday.downloads.services import request_download, request_refresh
from trainingday.exceptions import InvalidArgument, TrainingDayError
from trainingday.markets.exchange.exchanges import EXCHANGES
from trainingday.markets.intervals import INTERVALS
from trainingday.markets.queries import query_market
from trainingday.runs.foreground import run_in_foreground
from trainingday.runs.models import RunState, Trigger

EXIT_BAD_INPUT, EXIT_FAILED = 2, 1


class Command(BaseCommand):
    help = "Download an exchange's bars as a market's next dataset (needs the extra 'exchange')."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--market", help="refresh this market: fetch what is newer than its newest dataset"
        )
        parser.add_argument("--exchange", help=f"one of {', '.join(EXCHANGES)}")
        parser.add_argument("--symbol", help="BTC/USDT; a perpetual BTC/USDT:USDT")
        parser.add_argument("--interval", choices=list(INTERVALS), default="1h", help="default: 1h")
        parser.add_argument("--since", help="first day or time, UTC: 2020-01-01")
        parser.add_argument("--keep", choices=["first", "last"], default="", help="of two different candles")
        parser.add_argument(
            "--quarantine", action="store_true", help="set broken candles aside (at most 5 %%)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console()
        try:
            download = _request(options)
        except TrainingDayError as error:
            self.stderr.write(" ".join(str(error).split()))
            sys.exit(EXIT_BAD_INPUT)
        finished = cast(Download, run_in_foreground(download, console))
        console.print(f"{finished.market.slug}: {finished.state}. {finished.reason}", markup=False)
        if finished.state != RunState.SUCCEEDED:
            sys.exit(EXIT_FAILED)


def _request(options: dict[str, Any]) -> Download:
    how: dict[str, Any] = {name: options[name] for name in ("keep", "quarantine")} | {
        "trigger": Trigger.COMMAND
    }
    if options["market"]:
        return request_refresh(query_market(options["market"]), **how)
    for name in ("exchange", "symbol", "since"):
        if not options[name]:
            raise InvalidArgument(f"--{name} should be given, or --market for a refresh")
    return request_download(
        options["exchange"], options["symbol"], options["interval"], _time(options["since"]), **how
    )


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgument(
            f"--since should be a day or time such as 2020-01-01, is {text[:40]!r}"
        ) from error
    return moment.replace(tzinfo=moment.tzinfo or UTC)
