"""Lends this machine to training sessions and tournaments, as workers of a Dask scheduler."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from trainingday.compute.dask_pool import scheduler_of
from trainingday.exceptions import TrainingDayError
from trainingday.runs.child import NICE
from trainingday.runs.supervisor import CHILD_ENVIRONMENT

# Dask has its workers hand freed memory back at once, so that every array is paged in anew: scoring a population
# then takes two to three times the CPU time. These are the limits that glibc comes to by itself.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20)}


class Command(BaseCommand):
    help = "Evaluate the trials and populations that runs hand out through a Dask scheduler (extra: cluster)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--scheduler", required=True, metavar="dask://HOST:PORT")
        parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            scheduler = scheduler_of(options["scheduler"])
        except TrainingDayError as error:
            self.stderr.write(str(error))
            sys.exit(2)
        n_processes = max(options["processes"], 1)
        # Beyond its share a process is killed and its task evaluated elsewhere.
        memory_mb = settings.TRAININGDAY_MEMORY_LIMIT_MB // n_processes
        command = [
            sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://{scheduler}",
            "--nworkers", str(n_processes), "--nthreads", "1", "--memory-limit", f"{memory_mb}MB",
            "--no-dashboard", "--death-timeout", "300",
        ]  # fmt: skip
        os.nice(NICE)
        os.chdir(settings.BASE_DIR)
        os.execve(sys.executable, command, os.environ | CHILD_ENVIRONMENT | MEMORY)  # noqa: S606  (this interpreter)
