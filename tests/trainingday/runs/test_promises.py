"""RELIABILITY.md's figures for runs, counted: double delivery, paused workers, cancels, a restarted database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections
from django.utils import timezone

from patterns.models import PatternScan
from tests.conftest import make_market
from tests.markets import gaussian_bars
from trainingday.exceptions import FenceLost
from trainingday.markets.models import Dataset, Market
from trainingday.runs import services, supervisor
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunEvent, RunState

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("child_database")]
N_TIMES = 100
N_CANCELS = 50
SLEEPER = "import time; time.sleep(60)"


def queued_scans(count: int) -> list[PatternScan]:
    """Return queued scans, each of a market of its own, for one is active in each."""
    make_market(gaussian_bars(400, seed=1))
    dataset = Dataset.objects.get()
    markets = [
        Market.objects.create(symbol=f"M{number}", venue="test", interval=3600) for number in range(count)
    ]
    return [PatternScan.objects.create(market=market, dataset=dataset, seed=1) for market in markets]


def start_instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    def start(kind: str, pk: int, fence: int) -> supervisor.Child:
        stderr, scratch = tempfile.TemporaryFile(), tempfile.mkdtemp()
        process = subprocess.Popen([sys.executable, "-S", "-c", code], stderr=stderr, start_new_session=True)
        return supervisor.Child(process, stderr, time.monotonic(), Path(scratch))

    monkeypatch.setattr(supervisor, "_start", start)


def in_thread(act: Callable[[], object]) -> None:
    try:
        act()
    finally:
        connections.close_all()


def test_of_100_messages_delivered_twice_none_is_worked_on_twice() -> None:
    scans = queued_scans(N_TIMES)
    fences: list[tuple[int, int]] = []
    ready = threading.Barrier(2)

    def worker() -> None:
        for scan in scans:
            ready.wait(60)
            if fence := services.claim("scan", scan.pk):
                fences.append((scan.pk, fence))

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(in_thread, worker) for _ in range(2)]:
            future.result()
    assert sorted(fences) == [(scan.pk, 1) for scan in scans]
    assert set(PatternScan.objects.values_list("attempts", flat=True)) == {1}


def test_of_100_workers_stopped_past_their_lease_none_writes_when_it_goes_on() -> None:
    """Each is a process under SIGSTOP, whose run another claims before SIGCONT."""
    lost = 0
    for scan in queued_scans(N_TIMES):
        fence = services.claim("scan", scan.pk) or 0
        connections.close_all()
        pid = os.fork()
        if pid == 0:
            code = 9
            try:
                context = RunContext("scan", scan.pk, fence)
                os.kill(os.getpid(), signal.SIGSTOP)
                context.emit("note", {"text": "from a stale worker"}, n_found=99)
            except FenceLost:
                code = 3
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        PatternScan.objects.filter(pk=scan.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        assert services.claim("scan", scan.pk) == 2
        connections.close_all()
        os.kill(pid, signal.SIGCONT)
        lost += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    assert lost == N_TIMES
    assert not RunEvent.objects.exists()
    assert not PatternScan.objects.exclude(n_found=None).exists()


def test_50_cancels_end_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The children ignore the flag, so each is ended by its supervisor: the slow way."""
    start_instead(monkeypatch, SLEEPER)
    scans = queued_scans(N_CANCELS)
    seconds: list[float] = []

    def one(scan: PatternScan) -> None:
        worker = threading.Thread(target=in_thread, args=(lambda: supervisor.supervise("scan", scan.pk),))
        worker.start()
        while services.get_run("scan", scan.pk).state != RunState.RUNNING:
            threading.Event().wait(0.05)
        began = time.monotonic()
        services.cancel(services.get_run("scan", scan.pk))
        worker.join(30)
        seconds.append(time.monotonic() - began)

    with ThreadPoolExecutor(10) as pool:
        for future in [pool.submit(in_thread, lambda scan=scan: one(scan)) for scan in scans]:
            future.result()
    assert set(PatternScan.objects.values_list("state", flat=True)) == {RunState.CANCELLED}
    assert len(seconds) == N_CANCELS and max(seconds) <= 5.0, sorted(seconds)[-3:]


def test_what_ends_a_run_waits_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
    answers = iter([OperationalError("away"), OperationalError("away"), None])
    asked: list[int] = []

    def act() -> None:
        asked.append(1)
        if error := next(answers):
            raise error

    supervisor.patiently(act)
    assert len(asked) == 3


def test_a_worker_that_cannot_renew_its_lease_ends_its_child(monkeypatch: pytest.MonkeyPatch) -> None:
    start_instead(monkeypatch, SLEEPER)
    monkeypatch.setattr(supervisor, "SECONDS_BETWEEN_CHECKS", 0.1)
    monkeypatch.setattr(supervisor, "SECONDS_BETWEEN_RENEWALS", 0.0)
    (scan,) = queued_scans(1)
    fence = services.claim("scan", scan.pk) or 0
    child = supervisor._start("scan", scan.pk, fence)
    monkeypatch.setattr(services, "LEASE", timedelta(seconds=1))

    def away(*arguments: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(services, "renew", away)
    began = time.monotonic()
    assert supervisor._watch(child, "scan", scan.pk, fence, 3600) == ""
    child.end()
    assert time.monotonic() - began < 20
    assert child.process.returncode == -signal.SIGKILL


@pytest.mark.only_on_postgresql
@pytest.mark.postgres
def test_a_supervisor_outlives_a_restart_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    start_instead(monkeypatch, "import time; time.sleep(3)")
    monkeypatch.setattr(supervisor, "SECONDS_BETWEEN_RENEWALS", 0.0)
    (scan,) = queued_scans(1)
    worker = threading.Thread(target=in_thread, args=(lambda: supervisor.supervise("scan", scan.pk),))
    worker.start()
    while services.get_run("scan", scan.pk).state != RunState.RUNNING:
        threading.Event().wait(0.05)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    worker.join(60)
    left = services.get_run("scan", scan.pk)
    # Its child recorded no end, which the supervisor could only learn, and write, on a new connection.
    assert (left.state, left.fence) == (RunState.QUEUED, 1)
    assert left.reason == "the child ended early (exit code 0)"
