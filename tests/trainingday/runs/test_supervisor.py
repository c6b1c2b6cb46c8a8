"""The supervisor and its child: kills, cancels, budgets and orphans, with real processes."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ
from structlog.testing import capture_logs

from patterns.models import PatternScan
from patterns.services import request_scan
from tests.conftest import make_market
from tests.markets import gaussian_bars
from trainingday.runs import services, supervisor
from trainingday.runs.child import NICE
from trainingday.runs.models import RunEvent, RunState, Trigger

pytestmark = pytest.mark.slow
SLEEPER = "import time; time.sleep(60)"


@pytest.fixture
def scan(child_database: None) -> PatternScan:
    return request_scan(make_market(gaussian_bars(3000, seed=1)), trigger=Trigger.COMMAND)


@pytest.fixture
def start_code(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the child run other code than the product's."""

    def use(code: str) -> None:
        def start(kind: str, pk: int, fence: int) -> supervisor.Child:
            stderr, scratch = tempfile.TemporaryFile(), tempfile.mkdtemp()
            command = [sys.executable, "-c", code]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=stderr, start_new_session=True)
            return supervisor.Child(process, stderr, time.monotonic(), Path(scratch))

        monkeypatch.setattr(supervisor, "_start", start)

    return use


def supervise_in_thread(scan: PatternScan) -> threading.Thread:
    def work() -> None:
        supervisor.supervise("scan", scan.pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def children_with(argument: str) -> list[psutil.Process]:
    """Return this process's children that were started with an argument; other tests may have left some of theirs."""
    return [child for child in psutil.Process().children() if argument in child.cmdline()]


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.1)


def test_a_run_goes_from_queue_to_success_in_a_child(scan: PatternScan) -> None:
    supervisor.supervise("scan", scan.pk)
    scan.refresh_from_db()
    assert scan.state == RunState.SUCCEEDED, scan.reason
    assert scan.n_tested is not None and scan.attempts == 1
    kinds = list(RunEvent.objects.values_list("kind", flat=True))
    assert kinds[0] == "attempt" and kinds[-1] == "finished"


def test_delivered_twice_it_runs_once(scan: PatternScan) -> None:
    threads = [supervise_in_thread(scan), supervise_in_thread(scan)]
    for thread in threads:
        thread.join()
    scan.refresh_from_db()
    assert (scan.state, scan.attempts) == (RunState.SUCCEEDED, 1)
    assert RunEvent.objects.filter(kind="attempt").count() == 1


def test_a_killed_child_is_followed_by_another_attempt_with_the_same_result(scan: PatternScan) -> None:
    thread = supervise_in_thread(scan)
    wait_for(lambda: RunEvent.objects.filter(kind="attempt").exists())
    (child,) = children_with("trainingday.runs.child")
    os.kill(child.pid, signal.SIGKILL)
    thread.join()
    scan.refresh_from_db()
    assert (scan.state, scan.attempts) == (RunState.QUEUED, 1)
    assert "SIGKILL" in scan.reason
    supervisor.supervise("scan", scan.pk)
    scan.refresh_from_db()
    assert (scan.state, scan.attempts) == (RunState.SUCCEEDED, 2)
    second = RunEvent.objects.filter(kind="attempt").last()
    assert second is not None and "SIGKILL" in second.payload["after"]
    assert "SIGKILL" not in scan.reason


def test_a_run_that_always_dies_is_tried_exactly_three_times(
    scan: PatternScan, start_code: Callable[[str], None]
) -> None:
    start_code("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    for _ in range(5):
        supervisor.supervise("scan", scan.pk)
    scan.refresh_from_db()
    assert (scan.state, scan.attempts) == (RunState.FAILED, 3)
    assert "died 3 times" in scan.reason


def test_a_child_that_crashes_leaves_its_last_words(
    scan: PatternScan, start_code: Callable[[str], None]
) -> None:
    start_code("raise SystemError('the disk melted')")
    supervisor.supervise("scan", scan.pk)
    scan.refresh_from_db()
    assert scan.reason == "the child ended early (exit code 1): SystemError: the disk melted"


def test_a_run_whose_child_leaves_without_recording_an_end_is_queued_again_at_once(
    scan: PatternScan, start_code: Callable[[str], None]
) -> None:
    start_code("pass")
    OrmQ.objects.all().delete()
    supervisor.supervise("scan", scan.pk)
    scan.refresh_from_db()
    assert (scan.state, scan.reason) == (RunState.QUEUED, "the child ended early (exit code 0)")
    assert OrmQ.objects.filter(key="long").count() == 1


def test_a_killed_child_whose_exit_code_another_took_is_followed_by_another_attempt(
    scan: PatternScan, start_code: Callable[[str], None]
) -> None:
    """Whoever waits for a process first gets its exit code; `Popen` then says 0."""
    start_code(SLEEPER)
    thread = supervise_in_thread(scan)
    wait_for(lambda: len(children_with(SLEEPER)) == 1)
    (child,) = children_with(SLEEPER)
    child.kill()
    child.wait(10)
    thread.join(30)
    scan.refresh_from_db()
    assert (scan.state, scan.attempts) == (RunState.QUEUED, 1)
    assert services.claim("scan", scan.pk) == 2


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED])
def test_a_finished_run_whose_child_exits_slowly_is_not_said_to_have_died(
    state: RunState, scan: PatternScan, start_code: Callable[[str], None]
) -> None:
    start_code(SLEEPER)
    with capture_logs() as logs:
        thread = supervise_in_thread(scan)
        wait_for(lambda: PatternScan.objects.filter(pk=scan.pk, state=RunState.RUNNING).exists())
        PatternScan.objects.filter(pk=scan.pk).update(state=state, reason="as its child wrote")
        thread.join(30)
    scan.refresh_from_db()
    assert not thread.is_alive()
    assert (scan.state, scan.reason) == (state, "as its child wrote")
    assert logs == []


def test_a_run_below_the_least_free_space_waits_and_says_why(scan: PatternScan, settings: Any) -> None:
    settings.TRAININGDAY_MIN_FREE_DISK_MB = 10**12
    supervisor.supervise("scan", scan.pk)
    scan.refresh_from_db()
    assert (scan.state, scan.attempts, scan.fence) == (RunState.QUEUED, 0, 0)
    assert re.fullmatch(r"waits for disk space: \d+ MB free, 1000000000000 MB needed", scan.reason)
    assert not RunEvent.objects.exists()
    # The reaper asks again, and once there is room the run starts.
    OrmQ.objects.all().delete()
    PatternScan.objects.update(nudged_at=timezone.now() - 2 * services.NUDGE_QUEUED_AFTER)
    assert services.reap() == 1 and OrmQ.objects.filter(key="long").count() == 1
    settings.TRAININGDAY_MIN_FREE_DISK_MB = 0
    supervisor.supervise("scan", scan.pk)
    scan.refresh_from_db()
    assert (scan.state, scan.attempts) == (RunState.SUCCEEDED, 1)


def test_a_cancelled_run_ends_within_five_seconds(
    scan: PatternScan, start_code: Callable[[str], None]
) -> None:
    start_code(SLEEPER)
    thread = supervise_in_thread(scan)
    wait_for(lambda: PatternScan.objects.filter(pk=scan.pk, state=RunState.RUNNING).exists())
    began = time.monotonic()
    services.cancel(scan)
    thread.join()
    scan.refresh_from_db()
    assert scan.state == RunState.CANCELLED
    assert time.monotonic() - began <= 5.0


def test_a_run_over_its_time_budget_fails_for_good(
    scan: PatternScan, start_code: Callable[[str], None]
) -> None:
    start_code(SLEEPER)
    PatternScan.objects.filter(pk=scan.pk).update(time_budget_seconds=1)
    supervisor.supervise("scan", scan.pk)
    scan.refresh_from_db()
    assert (scan.state, scan.reason) == (RunState.FAILED, "took longer than its budget of 1 s")


def test_a_child_that_eats_memory_is_ended_with_the_reason(
    scan: PatternScan, start_code: Callable[[str], None], settings: object
) -> None:
    settings.TRAININGDAY_MEMORY_LIMIT_MB = 100  # type: ignore[attr-defined]
    start_code("import time; hoard = bytearray(b'x') * 300_000_000; time.sleep(60)")
    supervisor.supervise("scan", scan.pk)
    scan.refresh_from_db()
    assert scan.state == RunState.FAILED
    assert "more than the limit of 100 MB" in scan.reason


def test_a_supervisor_that_lost_its_claim_ends_its_child(
    scan: PatternScan, start_code: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "SECONDS_BETWEEN_RENEWALS", 0.0)
    start_code(SLEEPER)
    thread = supervise_in_thread(scan)
    wait_for(lambda: PatternScan.objects.filter(pk=scan.pk, state=RunState.RUNNING).exists())
    PatternScan.objects.filter(pk=scan.pk).update(fence=9)
    thread.join(timeout=10)
    assert not thread.is_alive()
    scan.refresh_from_db()
    assert (scan.state, scan.fence) == (RunState.RUNNING, 9)


def test_a_child_dies_with_its_supervisor(scan: PatternScan) -> None:
    fence = services.claim("scan", scan.pk)
    code = (
        "import subprocess, sys, os\n"
        f"p = subprocess.Popen([sys.executable, '-m', 'trainingday.runs.child', 'scan', '{scan.pk}', '{fence}'],"
        " stdin=subprocess.PIPE, start_new_session=True)\n"
        "print(p.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid = int(parent.stdout)
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 15)


def test_a_child_is_nice_and_computes_on_one_thread(scan: PatternScan) -> None:
    thread = supervise_in_thread(scan)
    nice = min(19, psutil.Process().nice() + NICE)
    wait_for(lambda: [child.nice() for child in children_with("trainingday.runs.child")] == [nice])
    (child,) = children_with("trainingday.runs.child")
    if (session := Path(f"/proc/{child.pid}/autogroup")).exists():
        wait_for(lambda: session.read_text().endswith(f"nice {NICE}\n"))
    environment = child.environ()
    assert {environment[name] for name in supervisor.CHILD_ENVIRONMENT if name.endswith("THREADS")} == {"1"}
    services.cancel(scan)
    thread.join(60)
    assert not thread.is_alive()
