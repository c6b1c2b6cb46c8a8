"""`manage.py up` restarts what died or fell silent, and nothing else; its waits add up to less than is promised."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import psutil
import pytest
from django.utils import timezone

from trainingday.runs import services
from trainingday.runs.management.commands import up
from trainingday.runs.management.commands.up import Command, Service
from trainingday.runs.models import WorkerHeartbeat
from trainingday.runs.queries import CANARY_SILENCE

pytestmark = pytest.mark.django_db
SLEEPER = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
# Its own child is a worker that outlives it, unless the whole group is ended.
WITH_WORKER = [sys.executable, "-S", "-c", f"import subprocess; subprocess.run({SLEEPER!r})"]
SECONDS_TO_START = 30  # a cluster's interpreter and its first chores


@pytest.fixture
def clusters() -> Iterator[list[Service]]:
    """Return both clusters, running, long past the grace of their start."""
    started = [Service("workers", WITH_WORKER, {}), Service("long workers", SLEEPER, {})]
    for service in started:
        service.start()
        service.started -= up.START_GRACE_SECONDS + 1
    yield started
    for service in started:
        service.stop()


def beat(seconds_ago: float, *, host: str = "", cluster: str = "trainingday") -> None:
    WorkerHeartbeat.objects.create(
        host=host or socket.gethostname(),
        cluster=cluster,
        seen_at=timezone.now() - timedelta(seconds=seconds_ago),
    )


def pids(clusters: list[Service]) -> list[int]:
    assert all(each.process is not None and each.process.poll() is None for each in clusters)
    return [each.process.pid for each in clusters if each.process is not None]


def restarted(clusters: list[Service], before: list[int]) -> list[str]:
    return [each.name for each, old, new in zip(clusters, before, pids(clusters), strict=True) if old != new]


@pytest.mark.parametrize("place", [0, 1])
def test_a_cluster_that_died_is_restarted_at_the_next_look(clusters: list[Service], place: int) -> None:
    before = pids(clusters)
    os.killpg(before[place], signal.SIGKILL)
    assert clusters[place].process is not None
    clusters[place].process.wait()
    Command()._restart_ill(clusters)
    assert restarted(clusters, before) == [clusters[place].name]


def test_a_cluster_whose_idle_workers_were_killed_is_restarted_once_it_is_silent(
    clusters: list[Service],
) -> None:
    """The process that started them goes on, so only the missing heartbeat tells."""
    beat(CANARY_SILENCE.total_seconds() + 1)
    before = pids(clusters)
    workers = psutil.Process(before[0]).children()
    Command()._restart_ill(clusters)
    assert restarted(clusters, before) == ["workers"]
    _, left = psutil.wait_procs(workers, timeout=10)
    assert not left, "an old worker goes on beside the new cluster"
    again = pids(clusters)
    Command()._restart_ill(clusters)  # it is given time to beat
    assert restarted(clusters, again) == []


@pytest.mark.parametrize(
    ("seconds_ago", "host", "cluster"),
    [
        (CANARY_SILENCE.total_seconds() - 5, "", "trainingday"),
        (10_000, "another-host", "trainingday"),
        (10_000, "", "long"),  # held by supervisors for as long as runs train
    ],
)
def test_no_other_heartbeat_restarts_a_cluster(
    clusters: list[Service], seconds_ago: float, host: str, cluster: str
) -> None:
    beat(seconds_ago, host=host, cluster=cluster)
    before = pids(clusters)
    Command()._restart_ill(clusters)
    assert restarted(clusters, before) == []


SLOW_TO_LEAVE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit(0)))
time.sleep(600)
"""
UP = f"""
import sys, django
django.setup()
from trainingday.runs.management.commands import up
start = up.Service.start
def start_another(service):
    service.command = [sys.executable, "-S", "-c", {SLOW_TO_LEAVE!r}]
    start(service)
up.Service.start = start_another
up.Command().handle(host="127.0.0.1", port=1, no_web=False)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_whoever_stops_it_twice_leaves_no_child_behind(number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", UP], stdout=subprocess.PIPE)
    children: list[psutil.Process] = []
    try:
        assert process.stdout is not None and b"Training Day is at" in process.stdout.readline()
        children = psutil.Process(process.pid).children()
        assert len(children) == 3
        psutil.wait_procs(children, timeout=0.5)  # let them set up how they leave
        process.send_signal(number)
        psutil.wait_procs(children, timeout=0.5)
        process.send_signal(number)
        assert process.wait(30) == 0
        _, left = psutil.wait_procs(children, timeout=1)
        assert not left
    finally:
        process.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def test_the_waits_add_up_to_what_is_promised() -> None:
    look = up.SECONDS_BETWEEN_REAPS
    silence = CANARY_SILENCE.total_seconds() + look + SECONDS_TO_START
    assert silence <= 4 * 60, "a silent cluster works again within four minutes"
    assert services.LEASE.total_seconds() + look <= 90, "a dead worker's run is claimed within 90 s"
