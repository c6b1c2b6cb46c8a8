from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from trainingday.exceptions import TrainingDayError
from trainingday.markets.calendars import Calendar
from trainingday.markets.importers.options import ROLES, ImportOptions
from trainingday.markets.importers.reader import preview, read_file
from trainingday.markets.intervals import INTERVALS, interval_name
from trainingday.markets.models import moment
from trainingday.markets.profiles import apply_profile, find_profile, save_profile
from trainingday.markets.services import LoadResult, load_file, upload_limits

EXIT_BAD_INPUT = 2


class Command(BaseCommand):
    help = "Load a market data file (CSV, JSON, Parquet, Feather, gzip or zip) as a market's next dataset."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--symbol", required=True, help="as traders write it: BTC/USD, SPY")
        parser.add_argument("--venue", default="file", help="exchange or vendor; default: file")
        parser.add_argument("--interval", choices=list(INTERVALS), help="refuse a file of another interval")
        parser.add_argument("--calendar", choices=[str(name) for name in Calendar], help="of a new market")
        parser.add_argument("--append", action="store_true", help="add to the newest dataset")
        parser.add_argument(
            "--keep", choices=["first", "last"], help="which of two different bars of one time"
        )
        parser.add_argument("--quarantine", action="store_true", help="set bad rows aside (at most 5 %%)")
        parser.add_argument(
            "--column",
            action="append",
            dest="columns",
            default=[],
            metavar="NAME=ROLE",
            help=f"role: {', '.join(ROLES)}",
        )
        parser.add_argument(
            "--profile", help="read the file as this saved profile says; other options win over it"
        )
        parser.add_argument("--save-profile", metavar="NAME", help="save how this file was read under a name")
        parser.add_argument("--header", choices=["yes", "no"], help="whether the table has a header line")
        parser.add_argument("--decimal", choices=["point", "comma"], help="decimal mark")
        parser.add_argument("--time-unit", choices=["s", "ms", "us", "ns"], help="unit of epoch times")
        parser.add_argument("--delimiter", choices=[",", ";", "tab", "|"])
        parser.add_argument("--zone", help="IANA zone of times without offset, such as America/New_York")
        parser.add_argument("--stamp", choices=["open", "close"], default="open", help="end that times name")
        parser.add_argument(
            "--date", type=date.fromisoformat, dest="on_date", help="day of times that count from midnight"
        )
        order = parser.add_mutually_exclusive_group()
        for name, meaning in (("day_first", "03/04 is 3 April"), ("month_first", "03/04 is 4 March")):
            order.add_argument(
                f"--{name.replace('_', '-')}",
                action="store_const",
                const=name,
                dest="day_order",
                help=meaning,
            )
        parser.add_argument(
            "--volume", choices=["base", "quote"], dest="volume_unit", help="unit of a single volume column"
        )
        parser.add_argument("--prices", choices=["raw", "adjusted"])
        parser.add_argument("--price-scale", type=float, help="stored price per unit of currency")
        parser.add_argument("--group", help="which NAME:open ... columns of a wide file")
        parser.add_argument("--preview", action="store_true", help="show what is detected, store nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            chosen = ImportOptions.from_fields({**options, "interval": None})
            if options["profile"]:
                chosen = apply_profile(chosen, find_profile(options["profile"]))
            if options["save_profile"]:
                self._save_profile(options["file"], chosen, options["save_profile"])
            if options["preview"]:
                self._show_preview(options["file"], chosen)
                return
            result = load_file(
                options["file"],
                options["file"].name,
                symbol=options["symbol"],
                venue=options["venue"],
                interval=options["interval"],
                calendar=options["calendar"],
                options=chosen,
                append=options["append"],
            )
        except TrainingDayError as error:
            self._refuse(str(error))
        except OSError as error:
            self._refuse(f"{options['file']} cannot be read: {error.strerror}")
        self._show_result(result)

    def _save_profile(self, path: Path, chosen: ImportOptions, name: str) -> None:
        limits = upload_limits()
        with path.open("rb") as file:
            imported = read_file(file.read(limits.max_bytes + 1), path.name, chosen, limits)
        profile = save_profile(name, chosen, imported.detected, None)
        self._console().print(f"saved as profile {profile.name!r}", markup=False)

    def _refuse(self, sentence: str) -> None:
        self.stderr.write(" ".join(sentence.split()))
        raise SystemExit(EXIT_BAD_INPUT)

    def _console(self) -> Console:
        return Console(file=cast("IO[str]", self.stdout), highlight=False, soft_wrap=True)

    def _show_preview(self, path: Path, chosen: ImportOptions) -> None:
        limits = upload_limits()
        with path.open("rb") as file:
            found = preview(file.read(limits.max_bytes + 1), path.name, chosen, limits)
        if found.raw_rows:
            table = Table(*found.header, title=f"First rows of {path.name}", title_justify="left")
            for row in found.raw_rows:
                table.add_row(*row)
            self._console().print(table)
        if found.problem is not None:
            self._refuse(str(found.problem))
        if found.detected is not None:
            self._show_detected(found.detected.as_dict())

    def _show_detected(self, detected: dict[str, Any]) -> None:
        console = self._console()
        columns = ", ".join(f"{role} = {name}" for role, name in detected["columns"].items())
        console.print(f"columns   {columns}", markup=False)
        unit = f", {detected['time_unit']}" if detected["time_unit"] else ""
        console.print(
            f"time      {detected['time_format']}{unit}, {detected['zone']}, bar {detected['stamp']}"
        )
        console.print(
            f"bars      {detected['n_rows']:,} of {interval_name(detected['interval'])}, {detected['order']}"
        )
        console.print(f"volume    {detected['volume_unit']}; prices {detected['adjusted']}")
        for warning in detected["warnings"]:
            console.print(f"warning   {warning['message']} ({warning['code']})", markup=False)

    def _show_result(self, result: LoadResult) -> None:
        console, dataset = self._console(), result.dataset
        self._show_detected({**result.report["detected"], "warnings": [w.as_dict() for w in result.warnings]})
        self._show_first_bars(console, result)
        state = "loaded" if result.created else "already imported"
        console.print(
            f"{result.market.slug}: {state}, version {dataset.version}, {dataset.n_rows:,} bars, "
            f"{moment(dataset.first_us):%Y-%m-%d %H:%M} to {moment(dataset.last_us):%Y-%m-%d %H:%M} UTC, "
            f"sha256 {dataset.sha256[:12]}",
            markup=False,
        )

    def _show_first_bars(self, console: Console, result: LoadResult) -> None:
        from trainingday.markets.queries import query_bars

        bars = query_bars(result.dataset)[:3]
        table = Table(
            "time (UTC)", "open", "high", "low", "close", "volume", title="First bars", title_justify="left"
        )
        for index in range(len(bars)):
            values = (bars.open, bars.high, bars.low, bars.close, bars.volume)
            cells = [f"{column[index]:.10g}" for column in values]
            table.add_row(f"{moment(int(bars.timestamps[index])):%Y-%m-%d %H:%M}", *cells)
        console.print(table)
