"""A commit boundary that no crash scenario reaches fails here, and so does a write of a run past its fence."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from tests.crashes.doors import PRODUCT, ROOT, Point, record
from tests.crashes.scenarios import SCENARIOS, RunScenario

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
Site = tuple[str, str, range]  # file, function, lines of the call

# Boundaries that no scenario reaches, each with its reason; a crash there is another test's, or loses nothing.
WEB = "one transaction of one request or command: after a crash all of it is there, or none"
SAVEPOINT = "a savepoint inside another boundary's transaction"
ELSEWHERE = {
    "sessions/backup.py::_snapshot": "a read-only transaction; the archive is linked to its name when whole",
    "sessions/final_training.py::_tell_curve": "an event while a training is at work; in line nobody waits beside it",
    "sessions/members.py::_writer.write": "progress of a training, in scratch: read by the same attempt only",
    "sessions/replay.py::execute": "its second boundary records different bits, which a crash does not make",
    "sessions/restore.py::_bring": "files before the one transaction of rows: without them the sweeper's",
    "sessions/services.py::resume_session": WEB,
    "strategies/backtest_report.py::write_report": "a file for a person, written whole or not at all",
    "strategies/forward.py::_pass": "one transaction for each market's record, repeated each minute",
    "strategies/positions.py::strategy_keys": SAVEPOINT,
    "strategies/tournament.py::_end_part": "a part that failed; settle_parts ends what a crash leaves",
    "trainingday/access/limits.py::_count_stored": WEB,
    "trainingday/artifacts.py::ArtifactStore._write_here": "moves a damaged namesake away, see test_artifacts.py",
    "trainingday/downloads/fetch.py::_connect.pause": "an event while the exchange is silent",
    "trainingday/downloads/fetch.py::_finish": "one transaction: a refresh that found nothing new",
    "trainingday/markets/profiles.py::_store": WEB,
    "trainingday/markets/profiles.py::rename_profile": WEB,
    "trainingday/markets/services.py::store_prepared": SAVEPOINT,
    "trainingday/markets/storage.py::_fetch": "a checked copy of what object storage has; half of it is the sweeper's",
    "trainingday/runs/child.py::work": "its third end is a run that failed by itself: the same `finish`",
    "trainingday/runs/rows.py::copy_rows": "one transaction of the target; see test_moving.py and test_backup.py",
    "trainingday/runs/schedules.py::_begin": SAVEPOINT,
    "trainingday/runs/schedules.py::_is_recorded": SAVEPOINT,
    "trainingday/runs/schedules.py::run_now": WEB,
    "trainingday/runs/sweeper.py::_put_back": "see test_sweeper.py, which stops the sweeper there",
    "trainingday/runs/sweeper.py::_remove": "see test_sweeper.py, which stops the sweeper there",
}
# What writes past the fence: asking, claiming and cancelling; and rows that are the same whoever makes them.
UNFENCED = {
    "strategies/positions.py::get_or_create_strategy",
    "trainingday/markets/services.py::current_test_window",
    "trainingday/markets/services.py::get_or_create_market",
    "trainingday/runs/services.py::cancel",
    "trainingday/runs/services.py::claim",
    "trainingday/runs/services.py::request_run",
    "trainingday/runs/services.py::nudge",
}


def boundary_sites() -> Iterator[Site]:
    """Yield every call of the product after which something is durable."""
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield from _sites(str(path.relative_to(ROOT)), ast.parse(path.read_text()), "")


def _sites(file: str, node: ast.AST, function: str) -> Iterator[Site]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        function = f"{function}.{node.name}".strip(".")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_boundary(node.func):
        yield file, function, range(node.lineno, (node.end_lineno or node.lineno) + 1)
    for child in ast.iter_child_nodes(node):
        yield from _sites(file, child, function)


def _is_boundary(call: ast.Attribute) -> bool:
    owner = ast.unparse(call.value)
    if call.attr in ("emit", "stage", "finish"):
        return owner.endswith("context")
    if call.attr in ("replace", "rename"):
        return owner == "os" or owner.startswith("Path(") or owner in ("path", "temporary", "target", "file")
    return call.attr in ("atomic", "transaction")


@cache
def recorded(make: Any) -> dict[str, list[Point]]:
    return {name: record(make(name).act) for name in SCENARIOS}


def test_every_commit_boundary_is_a_crash_point_of_some_scenario(fresh: Any) -> None:
    passed = {line for points in recorded(fresh).values() for point in points for line in point.lines}
    missing = [
        f"{file}::{function} (line {lines.start})"
        for file, function, lines in boundary_sites()
        if f"{file}::{function}" not in ELSEWHERE and not any((file, line) in passed for line in lines)
    ]
    assert not missing, (
        "\n".join(missing) + "\n" + "add a scenario to tests/crashes/scenarios.py, or a reason to ELSEWHERE"
    )


def test_no_exemption_is_out_of_date() -> None:
    names = {f"{file}::{function}" for file, function, _ in boundary_sites()}
    assert set(ELSEWHERE) <= names


def test_a_running_run_writes_only_under_its_fence(fresh: Any) -> None:
    past: set[str] = set()
    for name, points in recorded(fresh).items():
        if issubclass(SCENARIOS[name], RunScenario):
            past |= {
                point.owner
                for point in points
                if point.door in ("commit", "statement") and not point.is_fenced
            }
    assert past <= UNFENCED, past - UNFENCED


@pytest.mark.parametrize(
    ("line", "is_seen"),
    [
        ("with transaction.atomic(): pass", True),
        ("with context.transaction(): pass", True),
        ("self._context.emit('note', {})", True),
        ("os.replace(a, b)", True),
        ("Path(a).rename(b)", True),
        ("text.replace('a', 'b')", False),
        ("frame.rename(columns={})", False),
    ],
)
def test_it_sees_what_makes_something_durable(line: str, is_seen: bool) -> None:
    source = f"class A:\n    def f(self):\n        {line}\n"
    found = list(_sites("new.py", ast.parse(source), ""))
    assert found == ([("new.py", "A.f", range(3, 4))] if is_seen else [])
