"""Moves to another database: every row in one transaction, counted, or none at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import environ
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import DatabaseError, connections, models, transaction
from django.db.migrations.recorder import MigrationRecorder

from trainingday.exceptions import InvalidArgument, StateConflict
from trainingday.runs.kinds import all_kinds
from trainingday.runs.models import RunState

TARGET = "move_target"
BATCH = 500
# Messages to workers that the reaper sends again, and sessions of browsers: they stay behind.
LEFT_BEHIND = frozenset({"django_q.OrmQ", "sessions.Session"})


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
    with _opened(url):
        _prepare(tell)
        try:
            with transaction.atomic(using=TARGET):
                moved = {_label(model): _copy(model) for model in _tables()}
                _check(moved)
                _reset_sequences()
        except DatabaseError as error:
            raise StateConflict(f"the target refused a row, so nothing was moved: {error}") from error
    ContentType.objects.clear_cache()
    return moved


@contextmanager
def _opened(url: str) -> Iterator[None]:
    try:
        try:
            parameters = environ.Env.db_url_config(url)
            connections.databases[TARGET] = connections.configure_settings({"default": parameters})["default"]
            connections[TARGET].ensure_connection()
        except (DatabaseError, ImproperlyConfigured, ValueError, KeyError) as error:
            raise InvalidArgument(
                f"database should be the address of one that can be reached: {error}"
            ) from error
        yield
    finally:
        if TARGET in connections.databases:
            with suppress(ImproperlyConfigured):
                connections[TARGET].close()
                del connections[TARGET]
            del connections.databases[TARGET]


def _prepare(tell: Callable[[str], object]) -> None:
    """Make the tables; refuse a database in which people or runs have left rows."""
    tables = connections[TARGET].introspection.table_names()
    if MigrationRecorder.Migration._meta.db_table not in tables and tables:
        raise StateConflict(f"the target should be empty, has the tables {', '.join(sorted(tables)[:5])}")
    if tables:
        _refuse_rows()
    tell("making the tables")
    call_command("migrate", database=TARGET, verbosity=0)
    _refuse_rows()


# What `migrate` writes by itself: replaced by this database's own rows.
ESSENTIAL = ("contenttypes.ContentType", "auth.Permission", "auth.Group", "django_q.Schedule")


def _refuse_rows() -> None:
    for model in _models():
        if _label(model) not in ESSENTIAL and (n_rows := model._base_manager.using(TARGET).count()):
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


def _copy(model: type[models.Model]) -> int:
    """Copy a table as it is: no signal is sent and no time is taken anew."""
    target = model._base_manager.using(TARGET).all()
    if _label(model) in ESSENTIAL:
        target._raw_delete(TARGET)  # no signal: nothing here has changed
    rows: list[models.Model] = []
    n_rows = 0
    with _as_stored(model):
        for row in model._base_manager.using("default").order_by("pk").iterator(chunk_size=BATCH):
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


def _check(moved: dict[str, int]) -> None:
    """Raise unless both databases count the same; the transaction is then undone."""
    for model in _tables():
        there = model._base_manager.using(TARGET).count()
        here = model._base_manager.using("default").count()
        if not here == there == moved[_label(model)]:
            raise StateConflict(
                f"{_label(model)} has {here:,} rows here and {there:,} there: nothing was moved"
            )


def _reset_sequences() -> None:
    """Let new rows of the target be numbered after those that were copied."""
    with connections[TARGET].cursor() as cursor:
        for statement in connections[TARGET].ops.sequence_reset_sql(no_style(), _tables()):
            cursor.execute(statement)
