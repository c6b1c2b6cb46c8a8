"""Whether this process can serve and start work: what /readyz answers."""

from __future__ import annotations

import structlog
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from trainingday.runs.disk import lack_of_disk
from trainingday.runs.queries import worker_health

OK, FAILS, SILENT, NONE = "ok", "fails", "silent", "none seen"
log = structlog.get_logger(__name__)
_is_migrated = False


def check_readiness() -> tuple[bool, dict[str, str]]:
    """Return whether to send requests here, and each check's outcome.

    Database, migrations and disk decide. Workers are told but do not: pages can be read without them.
    """
    checks = {"database": _check_database()}
    is_reachable = checks["database"] == OK
    checks["migrations"] = _check_migrations() if is_reachable else FAILS
    checks["disk"] = FAILS if lack_of_disk() else OK
    is_ready = all(outcome == OK for outcome in checks.values())
    checks["workers"] = _workers() if checks["migrations"] == OK else NONE
    return is_ready, checks


def _check_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        log.warning("not ready: no database", error=str(error))
        return FAILS
    return OK


def _check_migrations() -> str:
    """Once everything is applied it stays so for this process: the plan is read no more."""
    global _is_migrated
    if not _is_migrated:
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        _is_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return OK if _is_migrated else FAILS


def _workers() -> str:
    beats = worker_health()
    if not beats:
        return NONE
    return SILENT if all(beat["is_silent"] for beat in beats) else OK
