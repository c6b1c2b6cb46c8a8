"""Copies every row of one database into another: in one transaction, counted, or none at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import environ
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from trainingday.access.kept import released
from trainingday.exceptions import InvalidArgument, StateConflict

BATCH = 500
# Messages to workers that the reaper sends again, and sessions of browsers: they stay behind.
LEFT_BEHIND = frozenset({"django_q.OrmQ", "sessions.Session"})


def copy_rows(source: str, target: str, *, replace: bool = False) -> dict[str, int]:
    """Copy every row between two databases that have the tables; return the rows of each table.

    All rows go in one transaction, after which both databases must count the same. With `replace` the
    target's own rows are removed in it.

    Raises
    ------
    StateConflict
        If the target refused a row or does not count the same; it is then as it was.
    """
    try:
        with transaction.atomic(using=target):
            if replace:
                leave_behind(target)
                with released(connections[target]):
                    for model in _tables():
                        _clear(model, target)
            copied = {_label(model): _copy(model, source, target) for model in _tables()}
            _check(copied, source, target)
            _reset_sequences(target)
    except DatabaseError as error:
        raise StateConflict(f"the target refused a row, so nothing was copied: {error}") from error
    finally:
        ContentType.objects.clear_cache()
    return copied


def make_tables(alias: str) -> None:
    """Make the tables of an empty database as they are here, and record the migrations that made them."""
    connection = connections[alias]
    with connection.schema_editor() as editor:
        for model in apps.get_models():
            if model._meta.managed and not model._meta.proxy:
                editor.create_model(model)
    recorder = MigrationRecorder(connection)
    recorder.ensure_schema()
    for app, name in MigrationRecorder(connections[DEFAULT_DB_ALIAS]).applied_migrations():
        recorder.record_applied(app, name)


def migrate_if_needed(alias: str) -> None:
    """Apply the migrations that a database lacks."""
    executor = MigrationExecutor(connections[alias])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", database=alias, verbosity=0)


def count_rows(alias: str) -> int:
    """Return how many rows `copy_rows` would copy."""
    return sum(model._base_manager.using(alias).count() for model in _tables())


def leave_behind(alias: str) -> None:
    """Remove the rows that are no part of a copy."""
    for label in LEFT_BEHIND:
        _clear(apps.get_model(label), alias)


@contextmanager
def opened(alias: str, url: str) -> Iterator[None]:
    """Let a database be used under an alias inside the block; InvalidArgument where it cannot be reached."""
    try:
        try:
            parameters = environ.Env.db_url_config(url)
            connections.databases[alias] = connections.configure_settings({"default": parameters})["default"]
            connections[alias].ensure_connection()
        except (DatabaseError, ImproperlyConfigured, ValueError, KeyError) as error:
            raise InvalidArgument(
                f"database should be the address of one that can be reached: {error}"
            ) from error
        yield
    finally:
        if alias in connections.databases:
            with suppress(ImproperlyConfigured):
                connections[alias].close()
                del connections[alias]
            del connections.databases[alias]


# What `migrate` writes by itself: replaced by this database's own rows.
ESSENTIAL = ("contenttypes.ContentType", "auth.Permission", "auth.Group", "django_q.Schedule")


def refuse_rows(alias: str) -> None:
    """Raise StateConflict unless people and runs have left no row in a database."""
    for model in _models():
        if _label(model) not in ESSENTIAL and (n_rows := model._base_manager.using(alias).count()):
            raise StateConflict(f"the target should be empty, its {_label(model)} has {n_rows:,} rows")


def _models() -> list[type[models.Model]]:
    """Return the models with tables of their own, what others point to first."""
    left = {
        model
        for model in apps.get_models(include_auto_created=False)
        if model._meta.managed and not model._meta.proxy and _label(model) not in LEFT_BEHIND
    }
    ordered: list[type[models.Model]] = []
    while left:
        free = {model for model in left if not _needs(model) & (left - {model})}
        # A circle is harmless: foreign keys are checked at the end of the transaction.
        chosen = sorted(free or left, key=_label)
        ordered += chosen
        left -= set(chosen)
    return ordered


def _tables() -> list[type[models.Model]]:
    """Return the models and the links between them that Django made, in the order in which they are copied."""
    return [*_models(), *(through for model in _models() for through in _links(model))]


def _links(model: type[models.Model]) -> list[type[models.Model]]:
    through: list[Any] = [field.remote_field.through for field in model._meta.local_many_to_many]
    return [link for link in through if link._meta.auto_created]


def _needs(model: type[models.Model]) -> set[Any]:
    return {field.related_model for field in model._meta.concrete_fields if field.is_relation}


def _label(model: type[models.Model]) -> str:
    return model._meta.label


def _clear(model: type[models.Model], alias: str) -> None:
    """Remove a table's rows; no signal is sent: nothing of the product has changed."""
    model._base_manager.using(alias).all()._raw_delete(alias)


def _copy(model: type[models.Model], source: str, target_alias: str) -> int:
    """Copy a table as it is: no signal is sent and no time is taken anew."""
    target = model._base_manager.using(target_alias).all()
    if _label(model) in ESSENTIAL:
        _clear(model, target_alias)
    rows: list[models.Model] = []
    n_rows = 0
    with _as_stored(model):
        for row in model._base_manager.using(source).order_by("pk").iterator(chunk_size=BATCH):
            rows.append(row)
            n_rows += 1
            if len(rows) == BATCH:
                target.bulk_create(rows)
                rows.clear()
        target.bulk_create(rows)
    return n_rows


@contextmanager
def _as_stored(model: type[models.Model]) -> Iterator[None]:
    """Let fields that take the time of a save keep the one they have."""
    clocks = [field for field in model._meta.concrete_fields if getattr(field, "auto_now", False)]
    clocks += [field for field in model._meta.concrete_fields if getattr(field, "auto_now_add", False)]
    before = [(field, field.auto_now, field.auto_now_add) for field in clocks]  # type: ignore[attr-defined]
    for field in clocks:
        field.auto_now = field.auto_now_add = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for field, now, add in before:
            field.auto_now, field.auto_now_add = now, add  # type: ignore[attr-defined]


def _check(copied: dict[str, int], source: str, target: str) -> None:
    """Raise unless both databases count the same; the transaction is then undone."""
    for model in _tables():
        there = model._base_manager.using(target).count()
        here = model._base_manager.using(source).count()
        if not here == there == copied[_label(model)]:
            raise StateConflict(
                f"{_label(model)} has {here:,} rows here and {there:,} there: nothing was copied"
            )


def _reset_sequences(target: str) -> None:
    """Let new rows of the target be numbered after those that were copied."""
    with connections[target].cursor() as cursor:
        for statement in connections[target].ops.sequence_reset_sql(no_style(), _tables()):
            cursor.execute(statement)
