"""Copies the whole database into an empty one, such as from SQLite to PostgreSQL."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from trainingday.exceptions import TrainingDayError
from trainingday.runs.moving import move_to


class Command(BaseCommand):
    help = "Copy every row into an empty database; stop the workers first. Nothing changes in this one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--database", required=True, metavar="URL", help="for example postgres://user:password@host/name"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            moved = move_to(options["database"], tell=self.stdout.write)
        except TrainingDayError as error:
            self.stderr.write(str(error))
            sys.exit(2)
        total = sum(moved.values())
        self.stdout.write(
            f"{total:,} rows of {len(moved)} tables are there and counted. Set DATABASE_URL to it."
        )
