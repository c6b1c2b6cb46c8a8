"""The supervisor of one run: claims it, starts a child, renews the lease, ends the child when asked."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from trainingday.runs import services
from trainingday.runs.disk import lack_of_disk
from trainingday.runs.models import RunState

SECONDS_BETWEEN_CHECKS = 1.0
SECONDS_BETWEEN_RENEWALS = 10.0
GRACE_SECONDS = 3.0
STDERR_CHARACTERS = 8000
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
DATABASE_AWAY = (OperationalError, InterfaceError)
CHILD_MODULE = "trainingday.runs.child"
# One numeric thread per process: two on two cores were several times slower for small networks.
CHILD_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}
log = structlog.get_logger(__name__)


@dataclass
class Child:
    """The process group that works on a claimed run."""

    process: subprocess.Popen[bytes]
    stderr: IO[bytes]
    started: float
    scratch: Path

    def end(self) -> None:
        """Kill the whole group, pool workers included, and remove its temporary files."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def memory_mb(self) -> float:
        """Return the resident memory of the group in MB."""
        try:
            parent = psutil.Process(self.process.pid)
            return float(sum(p.memory_info().rss for p in (parent, *parent.children(recursive=True)))) / 1e6
        except psutil.Error:
            return 0.0

    def last_words(self) -> str:
        """Return the end of what the child printed on stderr."""
        self.stderr.seek(0)
        return self.stderr.read()[-STDERR_CHARACTERS:].decode(errors="replace").strip()


def supervise(kind: str, pk: int) -> None:
    """Work on a run until it is terminal, or leave it alone if it cannot be claimed."""
    if reason := lack_of_disk():
        log.error("not started", run=f"{kind}-{pk}", reason=reason)
        services.postpone(kind, pk, reason)
        return
    fence = services.claim(kind, pk)
    if fence is None:
        log.debug("not claimed", run=f"{kind}-{pk}")
        return
    run = services.get_run(kind, pk)
    child = _start(kind, pk, fence)
    try:
        reason = _watch(child, kind, pk, fence, run.time_budget_seconds)
    finally:
        child.end()
    if reason:
        patiently(lambda: services.fail(kind, pk, fence, reason))
    else:
        patiently(lambda: _put_back(child, kind, pk, fence))
    child.stderr.close()


def _put_back(child: Child, kind: str, pk: int, fence: int) -> None:
    """Put a run whose end was not recorded back in the queue; its row says so, not the child's exit code."""
    if not services.renew(kind, pk, fence):
        return
    reason = _death(child)
    if not services.get_run(kind, pk).is_cancel_requested:
        log.error("child ended early", run=f"{kind}-{pk}", reason=reason, stderr=child.last_words())
    services.release(kind, pk, fence, reason)


def patiently(act: Callable[[], object]) -> None:
    """Do something once the database answers again; after the length of a lease it is the reaper's."""
    pause, deadline = FIRST_PAUSE, time.monotonic() + services.LEASE.total_seconds()
    while True:
        try:
            act()
            return
        except DATABASE_AWAY:
            connection.close()  # a broken connection stays broken
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _start(kind: str, pk: int, fence: int) -> Child:
    stderr = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the child)
    scratch = Path(settings.TRAININGDAY_SCRATCH) / f"{kind}-{pk}-{fence}"
    scratch.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", CHILD_MODULE, kind, str(pk), str(fence)],
        stdin=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
        cwd=settings.BASE_DIR,
        env=os.environ | CHILD_ENVIRONMENT | {"TMPDIR": str(scratch)},
    )
    return Child(process, stderr, time.monotonic(), scratch)


def _watch(child: Child, kind: str, pk: int, fence: int, budget_seconds: int) -> str:
    """Return once the child has ended or was ended; the reason is for a run that must not be retried."""
    renewed = time.monotonic()
    leaving_since: float | None = None
    while True:
        try:
            child.process.wait(timeout=SECONDS_BETWEEN_CHECKS)
            return ""
        except subprocess.TimeoutExpired:
            pass
        now = time.monotonic()
        try:
            if now - renewed >= SECONDS_BETWEEN_RENEWALS:
                services.renew(kind, pk, fence)  # a lost claim is seen below
                renewed = now
            run = services.get_run(kind, pk)
        except DATABASE_AWAY:
            connection.close()  # a broken connection stays broken
            # The database is away. Past the lease another worker may hold the run, so this one must stop.
            if now - renewed > services.LEASE.total_seconds():
                return ""
            continue
        is_over = run.fence != fence or run.state != RunState.RUNNING
        if leaving_since is None and (is_over or run.is_cancel_requested):
            leaving_since = now  # the child has a moment to leave by itself
        if leaving_since is not None and now - leaving_since >= GRACE_SECONDS:
            return ""
        if now - child.started > budget_seconds:
            return f"took longer than its budget of {budget_seconds} s"
        if (memory := child.memory_mb()) > settings.TRAININGDAY_MEMORY_LIMIT_MB:
            return f"used {memory:.0f} MB of memory, more than the limit of {settings.TRAININGDAY_MEMORY_LIMIT_MB} MB"


def _death(child: Child) -> str:
    code = child.process.returncode
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    words = child.last_words()
    last_line = words.splitlines()[-1] if words else ""
    return f"the child ended early ({how})" + (f": {last_line}" if last_line else "")
