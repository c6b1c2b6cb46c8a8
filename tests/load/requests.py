"""Readers of pages and lists over HTTP: at a fixed rate, or each as fast as it is answered."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

N_THREADS = 24
SECONDS_KEPT = (
    4.0  # the server closes a connection that was idle for 5 s, and that may cross the next request
)
PAGES = (
    "/", "/sessions/", "/sessions/?sort=-score&market=BTCUSD-1h", "/sessions/?page=4", "/models/", "/tournaments/",
    "/champions/", "/patterns/", "/markets/", "/schedules/", "/workers/",
)  # fmt: skip
API_LISTS = (
    "/api/v1/training-sessions/", "/api/v1/trials/", "/api/v1/models/", "/api/v1/tournaments/", "/api/v1/patterns/",
    "/api/v1/markets/", "/api/v1/runs/", "/api/v1/schedules/",
)  # fmt: skip
ADDRESSES = tuple(address for pair in itertools.zip_longest(PAGES, API_LISTS) for address in pair if address)


@dataclass
class Answers:
    """What came of some requests: seconds from when each was due, and everything that was no 200."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    took: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.took


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    return sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]


class Readers:
    """Threads that ask, each over a connection that it keeps; the signed-in readers take turns."""

    def __init__(self, port: int, cookies: Sequence[str]) -> None:
        self._port = port
        self._turns = itertools.cycle(itertools.product(cookies, ADDRESSES))
        self._lock, self._own = threading.Lock(), threading.local()

    def each_once(self) -> Answers:
        """Ask for every address once."""
        answers = Answers()
        for _ in ADDRESSES:
            self._ask(answers, time.perf_counter())
        return answers

    def at_rate(self, per_second: float, until: Callable[[], bool]) -> Answers:
        """Ask at fixed moments whether or not earlier answers have come; a late start counts as time to wait."""
        answers, began = Answers(), time.perf_counter()
        with ThreadPoolExecutor(N_THREADS) as pool:
            for number in itertools.count():
                due = began + number / per_second
                time.sleep(max(0.0, due - time.perf_counter()))
                if until():
                    break
                pool.submit(self._ask, answers, due)
        answers.took = time.perf_counter() - began
        return answers

    def at_once(self, n_readers: int, seconds: float) -> Answers:
        """Let some readers ask one thing after another."""
        answers, began = Answers(), time.perf_counter()

        def read() -> None:
            while time.perf_counter() - began < seconds:
                self._ask(answers, time.perf_counter())

        with ThreadPoolExecutor(n_readers) as pool:
            for future in [pool.submit(read) for _ in range(n_readers)]:
                future.result()
        answers.took = time.perf_counter() - began
        return answers

    def _ask(self, answers: Answers, due: float) -> None:
        with self._lock:
            cookie, address = next(self._turns)
        try:
            status = self._get(cookie, address)
        except (OSError, http.client.HTTPException) as error:
            self._own.connection = None
            answers.errors.append(f"{address}: {error!r}")
            return
        if status == 200:
            answers.seconds.append(time.perf_counter() - due)
        else:
            answers.errors.append(f"{address}: {status}")

    def _get(self, cookie: str, address: str) -> int:
        connection = getattr(self._own, "connection", None)
        if connection is None or time.monotonic() - self._own.used > SECONDS_KEPT:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            self._own.connection = connection
        self._own.used = time.monotonic()
        connection.request("GET", address, headers={"Cookie": cookie})
        response = connection.getresponse()
        response.read()
        return int(response.status)


def hits(answers: Answers) -> Iterator[str]:
    """Yield the different errors with their counts."""
    for error in sorted(set(answers.errors)):
        yield f"{answers.errors.count(error)} x {error}"
