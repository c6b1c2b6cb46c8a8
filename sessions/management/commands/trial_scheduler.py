"""Runs the Dask scheduler between runs and the workers that `trial_worker` lends them."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = (
        "Hand out trials and populations to the machines that run `trial_worker` (extra: cluster). Whoever reaches "
        "it runs code on them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--host", default="127.0.0.1", help="address to listen at, of a network of your own"
        )
        parser.add_argument("--port", type=int, default=8786)

    def handle(self, *args: Any, **options: Any) -> None:
        command = [
            sys.executable, "-m", "distributed.cli.dask_scheduler",
            "--host", options["host"], "--port", str(options["port"]), "--no-dashboard",
        ]  # fmt: skip
        # A scheduler unpacks tasks, so it has to find this code: Python looks in the folder that `-m` starts in.
        os.chdir(settings.BASE_DIR)
        os.execve(sys.executable, command, os.environ)  # noqa: S606  (this interpreter)
