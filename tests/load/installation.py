"""A real installation in a folder of its own: `manage.py up` over two years of data, and training by its workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.load.requests import Readers
from trainingday.local_environment import local_environment

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0
MODULES = {"web": "uvicorn", "training": "trainingday.runs.child"}
# What a test process has set for itself must not reach a real installation.
FOREIGN = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DEBUG", "TRAININGDAY_")


@dataclass
class Installation:
    """One that runs. `cookies` are headers of signed-in readers."""

    port: int
    environment: dict[str, str]
    server: psutil.Process
    cookies: list[str]
    token: str
    market: str
    watched: int

    @property
    def readers(self) -> Readers:
        return Readers(self.port, self.cookies)

    def api(self, method: str, path: str, **options: Any) -> Any:
        """Return an answer of the API to the operator."""
        response = requests.request(
            method,
            f"http://127.0.0.1:{self.port}/api/v1/{path}",
            headers={"Authorization": f"Token {self.token}"},
            timeout=60,
            **options,
        )
        response.raise_for_status()
        return response.json()

    def start(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a process of the load in the installation's environment, with pipes."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=self.environment,
        )  # fmt: skip

    def cpu_seconds(self, what: str) -> float:
        """Return the CPU time so far of the web process, or of the training child and its pool."""
        total = 0.0
        for process in self.server.children(recursive=True):
            try:
                if MODULES[what] in process.cmdline():
                    for each in (process, *process.children(recursive=True)):
                        total += sum(each.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
        return total


@contextmanager
def installed(folder: Path) -> Iterator[Installation]:
    """Fill a database in the folder, start `manage.py up` on it, and stop all of it at the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    (folder / ".env").write_text(local_environment())
    environment = kept | {
        "TRAININGDAY_HOME": str(folder),
        "TRAININGDAY_ENV_FILE": str(folder / ".env"),
        "DJANGO_SETTINGS_MODULE": "trainingday.settings",
    }
    python = {"cwd": ROOT, "env": environment, "check": True, "stdout": subprocess.PIPE}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], **python)  # type: ignore[call-overload]
    printed = subprocess.run([sys.executable, "-m", "tests.load.seed"], **python).stdout  # type: ignore[call-overload]
    seeded = json.loads(printed)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "manage.py", "up", "--port", str(port)],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_until_served(port, server)
        yield Installation(
            port, environment, psutil.Process(server.pid),
            [f"{seeded['cookie_name']}={cookie}" for cookie in seeded["cookies"]],
            seeded["token"], seeded["market"], seeded["watched"],
        )  # fmt: skip
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _wait_until_served(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).raise_for_status()
            return
        except requests.RequestException:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
        time.sleep(0.2)
