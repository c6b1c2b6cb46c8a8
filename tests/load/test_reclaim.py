"""All long workers of a real installation are killed while a session trains: it is claimed again within 90 s."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from tests.crashes.test_sweep import tell
from tests.load.installation import Installation
from tests.trainingday.runs.test_supervisor import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.load, pytest.mark.only_on_sqlite]
MAX_SECONDS = 90.0
SECONDS_TO_START = 300.0


def long_workers(installation: Installation) -> list[psutil.Process]:
    """Return the processes that `up` started for the long cluster."""
    return [
        process
        for process in installation.server.children()
        if process.environ().get("Q_CLUSTER_NAME") == "long" and "qcluster" in process.cmdline()
    ]


def test_a_killed_workers_session_is_claimed_again_within_90_seconds(installation: Installation) -> None:
    (cluster,) = long_workers(installation)
    wanted = {"market": installation.market, "preset": "standard", "seed": 2}
    session = installation.api("POST", "training-sessions/", json=wanted)

    def row() -> dict[str, object]:
        found: dict[str, object] = installation.api("GET", f"training-sessions/{session['id']}/")
        return found

    wait_for(lambda: row()["stage"] != "", SECONDS_TO_START)
    os.killpg(cluster.pid, signal.SIGKILL)  # supervisor and all; the child then ends by itself
    began = time.monotonic()
    wait_for(lambda: row()["attempts"] == 2, MAX_SECONDS)
    seconds = time.monotonic() - began
    tell(f"re-claim: {seconds:.1f} s after all long workers were killed")
    assert row()["state"] == "running"
    (again,) = long_workers(installation)
    assert again.pid != cluster.pid
    installation.api("POST", f"runs/{session['run']}/cancel/")
