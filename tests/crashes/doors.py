"""The doors through which anything becomes durable, and a hand on each: record, kill, or fail.

Every commit of the product passes `BaseDatabaseWrapper.commit` or is one statement outside a transaction,
and every file comes to its place by `open` and `rename`, which Python's audit events tell. So the crash
points need no code in the product, and a new commit boundary is a crash point without being named.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = tuple(f"{ROOT / name}{os.sep}" for name in ("trainingday", "sessions", "strategies", "patterns"))
WRITES = ("INSERT", "UPDATE", "DELETE")
FILE_EVENTS = frozenset({"open", "os.rename", "os.mkdir"})
KILLED = 137


class Fault(StrEnum):
    """What goes wrong at a crash point."""

    KILL = "kill"
    DISK_FULL = "disk full"
    DATABASE_ERROR = "database error"
    LOST_ANSWER = "answer lost"  # the commit happened, and its answer never came


@dataclass(frozen=True)
class Point:
    """One door about to be passed. `lines` are the product's (file, line) on the stack, innermost first."""

    door: str
    lines: tuple[tuple[str, int], ...]
    functions: tuple[str, ...] = ()

    @property
    def is_fenced(self) -> bool:
        """Return whether the write is in a transaction that first updated the run under its fence."""
        return "trainingday/runs/context.py::RunContext.transaction" in self.functions

    @property
    def owner(self) -> str:
        """Return the function that wrote."""
        return self.functions[0] if self.functions else "?"

    def __str__(self) -> str:
        file, line = self.lines[0] if self.lines else ("?", 0)
        return f"{self.door} at {file}:{line}"


Hand = Callable[[Point], None]


@dataclass
class _Doors:
    before: Hand | None = None
    after: Hand | None = None
    folders: tuple[str, ...] = field(default=())
    is_busy: bool = False


_doors = _Doors()


def _stand_before(door: str, hand: Hand | None) -> Point | None:
    if hand is None or _doors.is_busy:
        return None
    _doors.is_busy = True
    try:
        point = Point(door, *_product_frames())
        hand(point)
    finally:
        _doors.is_busy = False
    return point


def _product_frames() -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    """Return (file below the root, line) and file::function of every product frame, innermost first."""
    frames = [
        (frame.f_code.co_filename[len(str(ROOT)) + 1 :], line, frame.f_code.co_qualname)
        for frame, line in traceback.walk_stack(sys._getframe(1))
        if frame.f_code.co_filename.startswith(PRODUCT)
    ]
    return (
        tuple((file, line) for file, line, _ in frames),
        tuple(f"{file}::{function}" for file, _, function in frames),
    )


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _doors.before is None or event not in FILE_EVENTS:
        return
    if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
        return
    if str(arguments[0]).startswith(_doors.folders):
        _stand_before("rename" if event == "os.rename" else "file", _doors.before)


sys.addaudithook(_audit)
_commit = BaseDatabaseWrapper.commit


def _watched_commit(self: BaseDatabaseWrapper) -> None:
    _stand_before("commit", _doors.before)
    _commit(self)
    _stand_before("commit", _doors.after)


def _watched_statement(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
    alone = not context["connection"].in_atomic_block and sql.lstrip().startswith(WRITES)
    if alone:
        _stand_before("statement", _doors.before)
    result = execute(sql, parameters, many, context)
    if alone:
        _stand_before("statement", _doors.after)
    return result


@contextmanager
def hand_on_doors(before: Hand | None = None, after: Hand | None = None) -> Iterator[None]:
    """Let the hands be called at each door that this process passes in the block."""
    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(_watched_statement):
        patch.setattr(BaseDatabaseWrapper, "commit", _watched_commit)
        _doors.folders = (str(settings.TRAININGDAY_ARTIFACTS), str(settings.TRAININGDAY_DATASETS))
        _doors.before, _doors.after = before, after
        try:
            yield
        finally:
            _doors.before = _doors.after = None


def record(work: Callable[[], object]) -> list[Point]:
    """Do the work undisturbed and return the crash points that it passed."""
    points: list[Point] = []
    with hand_on_doors(points.append):
        work()
    return points


def strike(fault: Fault, place: int, work: Callable[[], object]) -> bool:
    """Do the work with one fault at the point of this number; return whether it struck.

    A kill is one: the work runs in a forked process, which ends there without another instruction.
    """
    if fault is Fault.KILL:
        return _killed_at(place, work)
    struck = False
    count = 0

    def hand(point: Point) -> None:
        nonlocal struck, count
        count += 1
        if count - 1 == place and not struck:
            struck = True
            _fail(fault, point)

    is_late = fault is Fault.LOST_ANSWER
    with hand_on_doors(None if is_late else hand, hand if is_late else None):
        try:
            work()
        except (OperationalError, InterfaceError, OSError):
            if not struck:
                raise
    connection.close()  # as the process would, which has ended
    return struck


def _fail(fault: Fault, point: Point) -> None:
    if fault is Fault.DISK_FULL:
        if point.door in ("rename", "file"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise OperationalError("database or disk is full")
    if connection.vendor == "postgresql":
        _terminate_backend()  # a commit that was about to be sent now fails by itself
    elif point.door == "commit" and fault is Fault.DATABASE_ERROR:
        connection.close()
    if connection.vendor == "sqlite" or fault is Fault.LOST_ANSWER:
        raise OperationalError("server closed the connection unexpectedly")


def _terminate_backend() -> None:
    """End this process's own PostgreSQL session, as a restarted server does."""
    mine = connection.connection.info
    with psycopg.connect(mine.dsn, password=mine.password or None, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [mine.backend_pid])


def _killed_at(place: int, work: Callable[[], object]) -> bool:
    connections.close_all()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        count = 0

        def hand(point: Point) -> None:
            nonlocal count
            count += 1
            if count - 1 == place:
                os._exit(KILLED)

        try:
            with hand_on_doors(hand):
                work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, KILLED), f"the work failed by itself (exit code {code})"
    return code == KILLED
