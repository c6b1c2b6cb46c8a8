"""What a worker of a Dask cluster does with a task, and what is said where a cluster is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_market
from tests.markets import gaussian_bars
from trainingday.compute import dask_pool
from trainingday.compute.bundles import load_bundle
from trainingday.compute.dask_pool import BundleSource, evaluate_here, scheduler_of
from trainingday.compute.executor import WorkersDied, open_executor
from trainingday.compute.versions import code_versions
from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Dataset

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
    assert evaluate_here(n_bars_of, Echo(), source, code_versions()) == 1700


@pytest.mark.parametrize("name", ["torch", "training-day"])
def test_a_worker_with_another_library_or_other_code_is_refused(name: str) -> None:
    versions = code_versions() | {name: "0.1"}
    with pytest.raises(InvalidArgument, match=rf"a worker's {name} should be 0\.1, as the run's, is"):
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
