"""The commands that lend machines to runs: each becomes Dask's own process, with this code in its reach."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

ROOT = str(Path(__file__).resolve().parents[2])


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what this process would have become, and where."""
    seen: dict[str, Any] = {}

    def execve(path: str, command: list[str], environment: dict[str, str]) -> None:
        seen.update(path=path, command=command, environment=environment)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(os, "nice", lambda value: seen.update(nice=value))
    monkeypatch.setattr(os, "chdir", lambda folder: seen.update(folder=str(folder)))
    return seen


def test_a_scheduler_starts_where_it_finds_this_code_and_listens_to_this_machine_alone(
    became: dict[str, Any],
) -> None:
    call_command("trial_scheduler")
    assert (became["path"], became["folder"]) == (sys.executable, ROOT)
    assert became["command"][1:] == [
        "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "8786", "--no-dashboard",
    ]  # fmt: skip


def test_a_worker_makes_way_computes_on_one_thread_and_keeps_its_memory(
    became: dict[str, Any], settings: Any
) -> None:
    settings.TRAININGDAY_MEMORY_LIMIT_MB = 3000
    call_command("trial_worker", scheduler="dask://10.0.0.1:8786", processes=3)
    assert (became["path"], became["folder"]) == (sys.executable, ROOT) and became["nice"] > 0
    command, environment = became["command"], became["environment"]
    assert command[1:4] == ["-m", "distributed.cli.dask_worker", "tcp://10.0.0.1:8786"]
    assert command[command.index("--nworkers") + 1] == "3"
    assert command[command.index("--memory-limit") + 1] == "1000MB"
    assert environment["OMP_NUM_THREADS"] == environment["NUMBA_NUM_THREADS"] == "1"
    assert int(environment["MALLOC_TRIM_THRESHOLD_"]) > int(environment["MALLOC_MMAP_THRESHOLD_"]) > 2**24


def test_a_worker_of_no_scheduler_is_refused(became: dict[str, Any], capsys: Any) -> None:
    with pytest.raises(SystemExit, match="2"):
        call_command("trial_worker", scheduler="tcp://10.0.0.1:8786")
    assert "should be named like dask://host:8786" in capsys.readouterr().err
    assert became == {}
