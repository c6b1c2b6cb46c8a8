"""Saves everything in one signed archive, while workers run."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from sessions.backup import backup
from trainingday.exceptions import TrainingDayError


class Command(BaseCommand):
    help = "Save database, datasets and model files in a new archive; workers may go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            saved = backup(options["file"])
        except TrainingDayError as error:
            self.stderr.write(str(error))
            sys.exit(2)
        self.stdout.write(
            f"{options['file']}: {saved.rows:,} rows, {saved.datasets:,} datasets, {saved.artifacts:,} model files, "
            f"{saved.n_bytes:,} bytes, read back and equal. It holds password hashes: keep it safe."
        )
