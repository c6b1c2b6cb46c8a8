"""Tasks on a Dask cluster: the client that hands them out, and what a worker does with one.

A task travels without its bars. The worker finds the dataset by its content hash in its own
TRAININGDAY_HOME, a folder that hosts share, or fetches it from object storage, and cuts it before the test
window. A task whose worker died is evaluated again elsewhere, with the same result.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from trainingday.compute.bundles import save_bundle
from trainingday.compute.versions import code_versions
from trainingday.exceptions import InvalidArgument, TrainingDayError
from trainingday.markets.storage import local_bars

SCHEME = "dask://"
SECONDS_TO_CONNECT = 20
N_BUNDLES_KEPT = 4
# Libraries keep one random state for each process, so a process evaluates one task at a time.
_one_at_a_time = threading.Lock()


class Movable(Protocol):
    """A task that can be told where its files are on another machine."""

    def at(self, bundle: str, scratch: Path) -> Self: ...


MovableTask = TypeVar("MovableTask", bound=Movable)
Result = TypeVar("Result")


@dataclass(frozen=True)
class BundleSource:
    """Where a run's bars come from on any machine.

    Attributes
    ----------
    sha256 : str
        Content hash of the dataset.
    n_bars : int
        How many of its first bars tasks may see: none of the test window's.
    """

    sha256: str
    n_bars: int


class ClusterAway(TrainingDayError):
    """The Dask scheduler does not answer."""

    retryable = True


class DaskPool(Executor):
    """An executor whose workers are those of a Dask scheduler, named like "dask://host:8786"."""

    def __init__(self, address: str, source: BundleSource) -> None:
        from distributed import Client

        connect: Callable[..., Any] = Client
        try:
            self._client = connect(
                f"tcp://{scheduler_of(address)}", timeout=SECONDS_TO_CONNECT, set_as_default=False
            )
        except OSError as error:
            raise ClusterAway(f"no Dask scheduler answers at {address}: {error}") from error
        self._pool: Executor = self._client.get_executor(pure=False)
        self._source = source

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        (task,) = args
        return self._pool.submit(evaluate_here, function, task, self._source, code_versions())

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait)
        self._client.close()


def scheduler_of(address: str) -> str:
    """Return "host:port" of a Dask address.

    Raises
    ------
    InvalidArgument
        If it is not like "dask://host:8786".
    """
    host, _, port = address.removeprefix(SCHEME).rpartition(":")
    if not address.startswith(SCHEME) or not host or not (port.isascii() and port.isdigit()):
        raise InvalidArgument(f"a Dask scheduler should be named like dask://host:8786, is {address!r}")
    return f"{host}:{port}"


def signs_of_death() -> tuple[type[BaseException], ...]:
    """Return the errors that mean that workers or scheduler have gone, not that a task was wrong."""
    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker, NoValidWorkerError

    return (KilledWorker, NoValidWorkerError, CommClosedError, CancelledError, ClusterAway)


def evaluate_here(
    function: Callable[[MovableTask], Result],
    task: MovableTask,
    source: BundleSource,
    versions: dict[str, str],
) -> Result:
    """Return what a task gives on this worker.

    Raises
    ------
    InvalidArgument
        If the worker's code or libraries are not the run's: its result might differ.
    """
    here = code_versions()
    for name, wanted in versions.items():
        if here[name] != wanted:
            raise InvalidArgument(f"a worker's {name} should be {wanted}, as the run's, is {here[name]}")
    with _one_at_a_time:
        return function(task.at(_bundle(source), _scratch()))


@lru_cache(maxsize=1)
def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="task-worker-"))


@lru_cache(maxsize=N_BUNDLES_KEPT)
def _bundle(source: BundleSource) -> str:
    """Return the file of the bars that tasks may see, made once on this worker."""
    bundle = _scratch() / f"{source.sha256}-{source.n_bars}.npz"
    save_bundle(bundle, local_bars(source.sha256)[: source.n_bars])
    return str(bundle)
