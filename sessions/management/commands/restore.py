"""Brings back a backup, all of it or nothing."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from sessions.restore import restore
from trainingday.exceptions import TrainingDayError


class Command(BaseCommand):
    help = "Bring back a backup into an empty home; stop the workers first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--replace", action="store_true", help="remove every row that this home has, for good"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            back = restore(options["file"], replace=options["replace"])
        except TrainingDayError as error:
            self.stderr.write(str(error))
            sys.exit(2)
        self.stdout.write(
            f"{back.rows:,} rows, {back.datasets:,} datasets and {back.artifacts:,} model files are back."
        )
