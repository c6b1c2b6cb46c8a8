"""Trials on a Dask cluster: the same bits as in line, whatever happens to a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from distributed import Client

from sessions import dask_pool
from sessions.dask_pool import BundleSource, evaluate_here, scheduler_of
from sessions.executor import WorkersDied, open_executor
from sessions.libraries import library_versions
from sessions.models import SessionReplay, TrainingSession
from sessions.rl.search import load_bundle
from sessions.services import request_replay
from tests.conftest import make_market
from tests.markets import gaussian_bars
from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Dataset
from trainingday.runs import services
from trainingday.runs.child import work
from trainingday.runs.context import RunContext
from trainingday.runs.models import Trigger

ROOT = Path(__file__).resolve().parents[2]
SOURCE = BundleSource("0" * 64, 1)


class Echo:
    """A task that says which bars it was given."""

    def at(self, bundle: str, scratch: Path) -> Echo:
        self.bundle = bundle
        return self


def n_bars_of(task: Echo) -> int:
    return len(load_bundle(task.bundle))


def test_a_worker_cuts_the_bars_before_the_test_window(db: None) -> None:
    make_market(gaussian_bars(2000, seed=8))
    source = BundleSource(Dataset.objects.get().sha256, 1700)
    assert evaluate_here(n_bars_of, Echo(), source, library_versions()) == 1700


def test_a_worker_with_other_libraries_is_refused() -> None:
    versions = library_versions() | {"torch": "0.1"}
    with pytest.raises(InvalidArgument, match=r"a worker's torch should be 0\.1, as the session's, is"):
        evaluate_here(n_bars_of, Echo(), SOURCE, versions)


@pytest.mark.parametrize("address", ["dask://", "dask://host", "dask://host:x", "tcp://host:1", "dask://:1"])
def test_an_address_that_names_no_scheduler_is_refused(address: str) -> None:
    with pytest.raises(InvalidArgument, match="should be named like dask://host:8786"):
        scheduler_of(address)


def test_a_scheduler_that_is_away_is_a_retryable_error(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "SECONDS_TO_CONNECT", 0.2)
    settings.TRAININGDAY_EXECUTOR = "dask://127.0.0.1:1"
    with open_executor(SOURCE) as executor, pytest.raises(WorkersDied, match="no Dask scheduler answers"):
        executor.run(n_bars_of, [Echo()], on_done=lambda *_: None, on_wait=lambda: None)


class Cluster:
    """A scheduler and its workers, each a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self._start("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
                    "--no-dashboard", "--scheduler-file", str(folder / "scheduler.json"))  # fmt: skip
        self.address = _wait_for(self._address)

    def add_worker(self, home: Path) -> subprocess.Popen[bytes]:
        name = f"dask://{self.address.removeprefix('tcp://')}"
        return self._start("manage.py", "trial_worker", "--scheduler", name, "--processes", "1", home=home)

    def _start(self, *command: str, home: Path | None = None) -> subprocess.Popen[bytes]:
        own = {"TRAININGDAY_HOME": str(home)} if home else {}
        environment = os.environ | own | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        log = (self.folder / f"{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stderr=log, stdout=log, start_new_session=True
        )  # fmt: skip
        self.processes.append(process)
        return process

    def _address(self) -> str:
        try:
            return str(json.loads((self.folder / "scheduler.json").read_text())["address"])
        except (OSError, ValueError, KeyError):
            return ""

    def end(self) -> None:
        for process in self.processes:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its children, as a host that loses power would."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(found: Callable[[], Any], seconds: float = 120.0) -> Any:
    never = threading.Event()
    for _ in range(int(seconds / 0.1)):
        if value := found():
            return value
        never.wait(0.1)
    raise AssertionError(f"not within {seconds} s: {found}")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.end()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_session_has_the_same_bits_on_dask_with_a_worker_killed_midway(
    object_storage: Any,
    run_session: Callable[..., TrainingSession],
    settings: Any,
    cluster: Cluster,
    tmp_path: Path,
) -> None:
    """One worker shares this machine's folder, the other has an empty one and object storage."""
    session = run_session(make_market(gaussian_bars(2500, seed=7)))
    settings.TRAININGDAY_EXECUTOR = f"dask://{cluster.address.removeprefix('tcp://')}"
    sharing = cluster.add_worker(Path(settings.TRAININGDAY_HOME))
    killer = threading.Thread(target=_kill_at_work, args=(cluster, sharing, tmp_path / "far"))
    killer.start()
    replay = request_replay(session, trigger=Trigger.COMMAND)
    fence = services.claim("replay", replay.pk)
    assert fence is not None
    work(RunContext("replay", replay.pk, fence))
    killer.join()
    done = cast(SessionReplay, services.get_run("replay", replay.pk))
    assert (done.state, done.result, done.difference) == ("succeeded", "same_bits", None), done.reason
    assert sharing.returncode == -signal.SIGKILL
    (fetched,) = (tmp_path / "far" / "datasets").rglob("*.parquet")
    assert fetched.stem == session.dataset.sha256


def _kill_at_work(cluster: Cluster, sharing: subprocess.Popen[bytes], far_home: Path) -> None:
    """Kill the first worker while it evaluates, and let one without its folder take over."""
    with Client(cluster.address, set_as_default=False) as client:
        _wait_for(lambda: any(client.processing().values()))
        kill(sharing)
    cluster.add_worker(far_home)
