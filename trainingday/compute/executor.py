"""Where tasks are evaluated: a pool of fresh processes here, a Dask cluster, or in line for tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

from django.conf import settings

from trainingday.compute.dask_pool import SCHEME, BundleSource, DaskPool, scheduler_of, signs_of_death
from trainingday.exceptions import InvalidArgument, TrainingDayError

SECONDS_BETWEEN_CHECKS = 0.5
MAX_REBUILDS = 2
Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkersDied(TrainingDayError):
    """The evaluation processes died again and again; another attempt may find more memory."""

    retryable = True


class TaskExecutor:
    """Evaluates pure tasks; a task whose process died is evaluated again, with the same result.

    Attributes
    ----------
    is_cluster : bool
        Whether tasks go to workers that run already, perhaps on other machines.
    """

    def __init__(
        self,
        make: Callable[[], Executor] | None,
        signs_of_death: tuple[type[BaseException], ...] = (BrokenProcessPool,),
        *,
        is_cluster: bool = False,
    ) -> None:
        self.is_cluster = is_cluster
        self._make = make
        self._signs_of_death = signs_of_death
        self._pool: Executor | None = None

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
        last: BaseException | None = None
        for _ in range(MAX_REBUILDS + 1):
            try:
                self._pool = self._pool or self._make()
                self._drain(self._pool, function, left, on_done, on_wait)
                return
            except self._signs_of_death as error:
                last = error
                self.close()
        raise WorkersDied(f"evaluation processes died {MAX_REBUILDS + 1} times; last: {last!r}") from last

    def _drain(
        self,
        pool: Executor,
        function: Callable[[Task], Result],
        left: dict[int, Task],
        on_done: Callable[[int, Result], None],
        on_wait: Callable[[], None],
    ) -> None:
        futures: dict[Future[Result], int] = {
            pool.submit(function, task): position for position, task in left.items()
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


def _process_pool(prepare: Callable[[], None] | None) -> Executor:
    return ProcessPoolExecutor(
        max_workers=os.cpu_count() or 1, mp_context=get_context("spawn"), initializer=prepare
    )


@contextmanager
def open_executor(source: BundleSource, prepare: Callable[[], None] | None = None) -> Iterator[TaskExecutor]:
    """Return the executor that TRAININGDAY_EXECUTOR names: "processes", "inline" or "dask://host:port".

    Nothing is started before the first task. `source` says where the workers of a Dask cluster find the bars,
    `prepare` what each process of a pool here does first.
    """
    executor = _named(settings.TRAININGDAY_EXECUTOR, source, prepare)
    try:
        yield executor
    finally:
        executor.close()


def _named(name: str, source: BundleSource, prepare: Callable[[], None] | None) -> TaskExecutor:
    if name.startswith(SCHEME):
        scheduler_of(name)
        return TaskExecutor(partial(DaskPool, name, source), signs_of_death(), is_cluster=True)
    makers: dict[str, Callable[[], Executor] | None] = {
        "processes": partial(_process_pool, prepare),
        "inline": None,
    }
    if name not in makers:
        raise InvalidArgument(
            f"TRAININGDAY_EXECUTOR should be one of {sorted(makers)} or dask://host:port, is {name!r}"
        )
    return TaskExecutor(makers[name])
