"""What is measured on an installation: throughput, a session's speed, and both under the web's load."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil

from tests.load.installation import Installation
from tests.load.requests import Answers

N_READERS = 4
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_BREAK_OFF = 20.0
ENDED = ("complete", "pruned", "failed")


@dataclass(frozen=True)
class Trained:
    """The search of a session. `steps_per_second` is of one training process, over all trials."""

    n_trials: int
    steps_per_second: float
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """A session under load; shares are CPU seconds per second, of one core."""

    trained: Trained
    requests: Answers
    sockets: dict[str, Any]
    web_share: float
    client_share: float


def throughput(installation: Installation, seconds: float) -> tuple[Answers, float]:
    """Return what some readers get who ask one thing after another, and the web's CPU seconds for it.

    Every address has been asked before.
    """
    readers = installation.readers
    readers.each_once()
    before = installation.cpu_seconds("web")
    return readers.at_once(N_READERS, seconds), installation.cpu_seconds("web") - before


def train(
    installation: Installation, seed: int, n_trials: int, searching: Callable[[], object] = lambda: None
) -> Trained:
    """Return the speed of a session's search, started through the API and cancelled after it.

    `searching` is called when the search begins.
    """
    wanted = {"market": installation.market, "preset": "quick", "seed": seed, "n_trials": n_trials}
    session = installation.api("POST", "training-sessions/", json=wanted)
    is_searching = False
    while True:
        row = installation.api("GET", f"training-sessions/{session['id']}/")
        if row["state"] not in ("queued", "running"):
            raise RuntimeError(f"{row['run']} ended before its search: {row['state']} {row['reason']}")
        if row["stage"] == "search" and not is_searching:
            is_searching = True
            searching()
        trials = installation.api("GET", f"trials/?session={session['id']}&page_size=200")["results"]
        if len(trials) == n_trials and all(trial["state"] in ENDED for trial in trials):
            break
        time.sleep(SECONDS_BETWEEN_LOOKS)
    installation.api("POST", f"runs/{row['run']}/cancel/")
    while installation.api("GET", f"training-sessions/{session['id']}/")["state"] == "running":
        time.sleep(SECONDS_BETWEEN_LOOKS)
    trials.sort(key=lambda trial: trial["index"])
    seconds = sum(trial["seconds"] for trial in trials)
    steps = sum(trial["n_steps"] for trial in trials)
    return Trained(n_trials, steps / seconds, tuple(trial["weights_hash"] for trial in trials))


def under_load(
    installation: Installation, seed: int, n_trials: int, rate: float, n_sockets: int, events: float
) -> Loaded:
    """Return a session's speed while sockets watch events, and, over its search, readers ask at a fixed rate."""
    with Load(installation, rate, n_sockets, events) as load:
        trained = train(installation, seed, n_trials, searching=load.start_requests)
        load.stop()
    return Loaded(trained, load.requests.result(), load.told, load.web_share, load.client_share)


class Load:
    """Sockets from the beginning, requests from `start_requests` on, all of it until `stop`."""

    def __init__(
        self,
        installation: Installation,
        rate: float,
        n_sockets: int,
        events: float,
        *,
        break_within: float = SECONDS_TO_BREAK_OFF,
    ) -> None:
        self._installation, self._rate = installation, rate
        self._is_over = threading.Event()
        self._thread = ThreadPoolExecutor(1)
        self._writer = installation.start("tests.load.writer", str(installation.watched), str(events))
        self._sockets = installation.start("tests.load.sockets")
        plan = {
            "address": f"ws://127.0.0.1:{installation.port}/ws/runs/scan-{installation.watched}/",
            "origin": f"http://127.0.0.1:{installation.port}",
            "cookies": installation.cookies,
            "count": n_sockets,
            "break_within": break_within,
        }
        self._tell(json.dumps(plan))
        assert self._answer() == "watching"
        self._began, self._cpu = time.monotonic(), self._cpu_seconds()

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.shutdown()
        for process in (self._writer, self._sockets):
            process.kill()
            process.communicate()

    def start_requests(self) -> None:
        self.requests: Future[Answers] = self._thread.submit(
            self._installation.readers.at_rate, self._rate, self._is_over.is_set
        )

    def stop(self) -> None:
        """End the load and collect what it has seen."""
        self._is_over.set()
        self.requests.result()
        seconds = time.monotonic() - self._began
        web, clients = (after - before for after, before in zip(self._cpu_seconds(), self._cpu, strict=True))
        self.web_share, self.client_share = web / seconds, clients / seconds
        last, _ = self._writer.communicate()
        self._tell(last)
        self.told: dict[str, Any] = json.loads(self._answer())

    def _cpu_seconds(self) -> tuple[float, float]:
        clients = time.process_time()
        for process in (self._writer, self._sockets):
            clients += sum(psutil.Process(process.pid).cpu_times()[:2])
        return self._installation.cpu_seconds("web"), clients

    def _tell(self, line: str) -> None:
        assert self._sockets.stdin is not None
        self._sockets.stdin.write(f"{line}\n")
        self._sockets.stdin.flush()

    def _answer(self) -> str:
        assert self._sockets.stdout is not None
        if line := self._sockets.stdout.readline():
            return line.strip()
        raise RuntimeError("the sockets ended early, see their standard error")
