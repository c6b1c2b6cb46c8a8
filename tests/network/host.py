"""What the hosts of test_two_hosts.py do, each in a network of its own: `python -m tests.network.host VERB …`."""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
import django

django.setup()

from patterns.models import PatternScan  # noqa: E402
from patterns.services import request_scan  # noqa: E402
from tests.conftest import make_market  # noqa: E402
from tests.markets import gaussian_bars  # noqa: E402
from tests.network.lease import SECONDS_OF_LEASE  # noqa: E402
from trainingday.exceptions import FenceLost  # noqa: E402
from trainingday.runs import services, supervisor  # noqa: E402
from trainingday.runs.context import RunContext  # noqa: E402
from trainingday.runs.models import RunState, Trigger  # noqa: E402


def ask() -> None:
    """Store a market and a scan that waits."""
    scan = request_scan(make_market(gaussian_bars(6000, seed=1)), trigger=Trigger.COMMAND)
    print(scan.pk)


def work(pk: int) -> None:
    """Supervise the run, until it has ended, whenever it can be claimed."""
    services.LEASE = timedelta(seconds=SECONDS_OF_LEASE)
    supervisor.SECONDS_BETWEEN_RENEWALS = 1.0
    while PatternScan.objects.get(pk=pk).state in (RunState.QUEUED, RunState.RUNNING):
        supervisor.supervise("scan", pk)
        time.sleep(0.2)


def write(pk: int, fence: int) -> None:
    """Write as a worker that was away would."""
    try:
        RunContext("scan", pk, fence).emit("note", {"text": "I am back"})
    except FenceLost as error:
        print(f"FenceLost: {error}")


if __name__ == "__main__":
    {"ask": ask, "work": work, "write": write}[sys.argv[1]](*map(int, sys.argv[2:]))
