"""A long measurement that is stopped goes on where it was, and ends as one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessions.honesty import benchmark
from sessions.honesty.benchmark import run_benchmark
from sessions.honesty.journal import Journal
from sessions.honesty.options import Case, HonestyOptions
from trainingday.exceptions import InvalidArgument

OPTIONS = HonestyOptions(n_markets=4, parts=("models",), seed=5, n_workers=1)


class Stopped(Exception):
    pass


def stop_after(n: int):
    def on_done(n_done: int, n_tasks: int) -> None:
        if n_done == n:
            raise Stopped

    return on_done


def test_a_stopped_run_goes_on_and_ends_with_the_same_lines(tmp_path: Path, monkeypatch) -> None:
    journal = Journal(tmp_path / "kept" / "outcomes.jsonl")
    with pytest.raises(Stopped):
        run_benchmark(OPTIONS, stop_after(3), journal)
    assert len(journal.read()) == 3
    ran = []
    real = benchmark.run_market
    monkeypatch.setattr(benchmark, "run_market", lambda task: ran.append(task) or real(task))
    assert run_benchmark(OPTIONS, journal=journal) == run_benchmark(OPTIONS)
    assert len(ran) == 1 + 4  # one that was missing, then all four of the run without a journal
    assert journal.read().keys() == set(OPTIONS.tasks())


def test_a_line_cut_off_by_a_kill_is_run_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "outcomes.jsonl")
    with pytest.raises(Stopped):
        run_benchmark(OPTIONS, stop_after(2), journal)
    journal.path.write_bytes(journal.path.read_bytes()[:-20])
    assert len(journal.read()) == 1
    run_benchmark(OPTIONS, journal=journal)
    assert len(journal.read()) == 4
    assert journal.path.read_bytes().count(b"\n") == 4


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not an outcome\n")
    with pytest.raises(InvalidArgument, match=r"line 1 of .* is none"):
        run_benchmark(OPTIONS, journal=Journal(path))
    assert path.read_text() == "not an outcome\n"


def test_outcomes_of_another_seed_are_not_taken(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "outcomes.jsonl")
    run_benchmark(OPTIONS, journal=journal)
    other = HonestyOptions(n_markets=4, parts=("models",), seed=6, n_workers=1)
    assert not journal.read().keys() & set(other.tasks())


def test_trainings_alternate_so_that_a_stopped_run_has_as_many_of_each() -> None:
    tasks = HonestyOptions(n_markets=2, parts=("models",), n_trained=3).tasks()
    trained = [(task.kind, task.index) for task in tasks if task.case is Case.TRAINED]
    assert trained == [("N3", 0), ("P1", 0), ("N3", 1), ("P1", 1), ("N3", 2), ("P1", 2)]
