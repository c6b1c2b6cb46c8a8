"""Moves to another database: every row in one transaction, counted, or none at all."""

from __future__ import annotations

from collections.abc import Callable

from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.recorder import MigrationRecorder

from trainingday.exceptions import StateConflict
from trainingday.runs.kinds import all_kinds
from trainingday.runs.models import RunState
from trainingday.runs.rows import copy_rows, opened, refuse_rows

TARGET = "move_target"


def move_to(url: str, *, tell: Callable[[str], object] = lambda line: None) -> dict[str, int]:
    """Copy every row into the empty database at `url`; return the rows of each table.

    All rows go in one transaction, after which both databases must count the same.

    Raises
    ------
    InvalidArgument
        If the address names no database that can be reached.
    StateConflict
        If a run is running, or the target holds rows already.
    """
    for kind in all_kinds():
        if running := kind.model_class._default_manager.filter(state=RunState.RUNNING).first():
            raise StateConflict(
                f"{running.public_id} is running: stop the workers first (it goes on afterwards)"
            )
    with opened(TARGET, url):
        _prepare(tell)
        return copy_rows(DEFAULT_DB_ALIAS, TARGET)


def _prepare(tell: Callable[[str], object]) -> None:
    """Make the tables; refuse a database in which people or runs have left rows."""
    tables = connections[TARGET].introspection.table_names()
    if MigrationRecorder.Migration._meta.db_table not in tables and tables:
        raise StateConflict(f"the target should be empty, has the tables {', '.join(sorted(tables)[:5])}")
    if tables:
        refuse_rows(TARGET)
    tell("making the tables")
    call_command("migrate", database=TARGET, verbosity=0)
    refuse_rows(TARGET)
