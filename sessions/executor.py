"""Where trials are evaluated: a pool of fresh processes on this machine, or in line for tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

from django.conf import settings

from trainingday.exceptions import InvalidArgument, TrainingDayError

SECONDS_BETWEEN_CHECKS = 0.5
MAX_REBUILDS = 2
Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkersDied(TrainingDayError):
    """The evaluation processes died again and again; another attempt may find more memory."""

    retryable = True


class TrialExecutor:
    """Evaluates pure tasks; a task whose process died is evaluated again, with the same result."""

    def __init__(self, make: Callable[[], Executor] | None) -> None:
        self._make = make
        self._pool = make() if make else None

    def run(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        on_done: Callable[[int, Result], None],
        on_wait: Callable[[], None],
    ) -> None:
        """Evaluate every task; `on_done(position, result)` as each ends, `on_wait` about twice a second.

        Either callback may raise to stop.
        """
        if self._make is None:
            for position, task in enumerate(tasks):
                on_wait()
                on_done(position, function(task))
            return
        left = dict(enumerate(tasks))
        for _ in range(MAX_REBUILDS + 1):
            try:
                self._drain(function, left, on_done, on_wait)
                return
            except BrokenProcessPool:
                self._pool = self._make()
        raise WorkersDied(f"evaluation processes died {MAX_REBUILDS + 1} times")

    def _drain(
        self,
        function: Callable[[Task], Result],
        left: dict[int, Task],
        on_done: Callable[[int, Result], None],
        on_wait: Callable[[], None],
    ) -> None:
        if self._pool is None:
            raise InvalidArgument("the executor is closed")
        futures: dict[Future[Result], int] = {
            self._pool.submit(function, task): position for position, task in left.items()
        }
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=SECONDS_BETWEEN_CHECKS, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda item: futures[item]):
                result = future.result()
                on_done(futures[future], result)
                left.pop(futures[future])
            on_wait()

    def close(self, *, wait: bool = False) -> None:
        """End the processes; `wait` for them, so that their CPU time is counted, where none is at work."""
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=True)
            self._pool = None


def _start_worker() -> None:
    """Load what every trial needs, on one numeric thread."""
    import torch

    torch.set_num_threads(1)
    import sessions.rl.training  # noqa: F401


def _process_pool() -> Executor:
    return ProcessPoolExecutor(
        max_workers=os.cpu_count() or 1, mp_context=get_context("spawn"), initializer=_start_worker
    )


@contextmanager
def open_executor() -> Iterator[TrialExecutor]:
    """Return the executor that TRAININGDAY_EXECUTOR names: "processes" or "inline"."""
    makers: dict[str, Callable[[], Executor] | None] = {"processes": _process_pool, "inline": None}
    name = settings.TRAININGDAY_EXECUTOR
    if name not in makers:
        raise InvalidArgument(f"TRAININGDAY_EXECUTOR should be one of {sorted(makers)}, is {name!r}")
    executor = TrialExecutor(makers[name])
    try:
        yield executor
    finally:
        executor.close()
