"""Audit rows are kept: neither a query set nor the database itself changes or deletes one.

The database's triggers let one thing through: that a user who is deleted is no longer pointed at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from auditlog.models import LogEntry
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from trainingday.exceptions import StateConflict

NEVER_CHANGES = "an audit row never changes"
IS_KEPT = "an audit row is kept for good"
TABLE = LogEntry._meta.db_table
WRITTEN_ONCE = ", ".join(f.column for f in LogEntry._meta.concrete_fields if f.name != "actor")
GUARD = {
    "sqlite": (
        f"CREATE TRIGGER IF NOT EXISTS audit_row_is_kept BEFORE DELETE ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{IS_KEPT}'); END",
        f"CREATE TRIGGER IF NOT EXISTS audit_row_never_changes BEFORE UPDATE OF {WRITTEN_ONCE} ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{NEVER_CHANGES}'); END",
        f"CREATE TRIGGER IF NOT EXISTS audit_row_keeps_its_actor BEFORE UPDATE OF actor_id ON {TABLE} "
        f"WHEN NEW.actor_id IS NOT NULL BEGIN SELECT RAISE(ABORT, '{NEVER_CHANGES}'); END",
    ),
    "postgresql": (
        f"""CREATE OR REPLACE FUNCTION keep_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'UPDATE' AND NEW.actor_id IS NULL AND to_jsonb(NEW) - 'actor_id' = to_jsonb(OLD) - 'actor_id'
        THEN RETURN NEW; END IF;
        RAISE EXCEPTION '{NEVER_CHANGES} and is kept for good' USING ERRCODE = 'integrity_constraint_violation';
        END $$""",
        f"DROP TRIGGER IF EXISTS audit_row_is_kept ON {TABLE}",
        f"CREATE TRIGGER audit_row_is_kept BEFORE UPDATE OR DELETE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION keep_audit_row()",
    ),
}
RELEASE = {
    "sqlite": tuple(
        f"DROP TRIGGER IF EXISTS {name}"
        for name in ("audit_row_is_kept", "audit_row_never_changes", "audit_row_keeps_its_actor")
    ),
    "postgresql": (f"DROP TRIGGER IF EXISTS audit_row_is_kept ON {TABLE}",),
}


class KeptRows(models.QuerySet[LogEntry]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise StateConflict(NEVER_CHANGES)

    def delete(self) -> NoReturn:
        raise StateConflict(IS_KEPT)


def guard(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers, where they are not there."""
    _execute(connection, GUARD[connection.vendor])


@contextmanager
def released(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let a database be emptied for the rows of a backup; inside the transaction that brings them."""
    _execute(connection, RELEASE[connection.vendor])
    yield
    guard(connection)


def _execute(connection: BaseDatabaseWrapper, statements: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
