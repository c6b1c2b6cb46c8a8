"""A Dask scheduler and workers on loopback, each a process group of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distributed import Client

ROOT = Path(__file__).resolve().parents[1]
SECONDS_TO_START = 60


class Cluster:
    """A scheduler and its workers; `name` is what TRAININGDAY_EXECUTOR calls it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        host, port = "127.0.0.1", free_port()
        self.name, self.address = f"dask://{host}:{port}", f"tcp://{host}:{port}"
        self._start("trial_scheduler", "--host", host, "--port", str(port))
        with self.client():
            pass

    def add_worker(self, home: Path) -> subprocess.Popen[bytes]:
        """Start a worker of one process whose TRAININGDAY_HOME is `home`."""
        return self._start("trial_worker", "--scheduler", self.name, "--processes", "1", home=home)

    def client(self) -> Client:
        return Client(self.address, timeout=SECONDS_TO_START, set_as_default=False)

    def _start(self, *command: str, home: Path | None = None) -> subprocess.Popen[bytes]:
        own = {"TRAININGDAY_HOME": str(home)} if home else {}
        environment = os.environ | own | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        log = (self.folder / f"{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), *command], cwd=self.folder, env=environment,
            stderr=log, stdout=log, start_new_session=True,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            kill(process)


class Victim:
    """A worker that is killed, as a host that loses power is, while tasks are on it."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        self._cluster = cluster
        self.process = cluster.add_worker(home)
        with cluster.client() as client:
            (self._address,) = wait_for(lambda: _workers(client))
            cluster.add_worker(home)
            wait_for(lambda: len(_workers(client)) == 2)
        self.n_tasks = 0
        self._thread: threading.Thread | None = None

    def stop_then_kill(self) -> None:
        """Let it stand still from now on, and kill it once tasks lie with it: for tasks of milliseconds."""
        if self._thread is None:
            os.killpg(self.process.pid, signal.SIGSTOP)
            self.kill_at_work()

    def kill_at_work(self) -> None:
        """Kill it, from another thread, once it has tasks."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._kill)
            self._thread.start()

    def _kill(self) -> None:
        with self._cluster.client() as client:
            self.n_tasks = wait_for(lambda: len(client.processing().get(self._address, ())))
            kill(self.process)

    def was_killed_at_work(self) -> bool:
        assert self._thread is not None
        self._thread.join()
        return self.n_tasks > 0 and self.process.returncode == -signal.SIGKILL


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its children, as a host that loses power would."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(found: Callable[[], Any], seconds: float = 120.0) -> Any:
    never = threading.Event()
    for _ in range(int(seconds / 0.1)):
        if value := found():
            return value
        never.wait(0.1)
    raise AssertionError(f"not within {seconds} s: {found}")


def _workers(client: Client) -> list[str]:
    return list(client.scheduler_info(n_workers=-1)["workers"])
