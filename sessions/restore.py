"""Restores a backup: everything is checked before anything changes, and all of it comes back or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now

from sessions.backup import DATABASE, SNAPSHOT, BackupRejected, Summary, unpacked
from strategies.models import Strategy
from strategies.store import artifact_store
from trainingday.artifacts import PARTS
from trainingday.exceptions import ArtifactRejected, StateConflict
from trainingday.markets import storage
from trainingday.markets.models import Dataset
from trainingday.runs.kinds import all_kinds
from trainingday.runs.models import RunState
from trainingday.runs.rows import copy_rows, migrate_if_needed, opened, refuse_rows


def restore(archive: Path, *, replace: bool = False) -> Summary:
    """Bring back a backup's rows and files; return what came back.

    Parameters
    ----------
    archive : Path
    replace : bool
        Whether the rows that this home has may be removed; otherwise it should have none.

    Raises
    ------
    BackupRejected
        If the archive is not whole, was altered, or comes from a newer version.
    StateConflict
        If this home has rows and `replace` is False, or a run is at work.
    """
    home = Path(settings.TRAININGDAY_HOME)
    if not archive.is_file():
        raise StateConflict(f"{archive} should be a file, is none")
    with (
        unpacked(archive, home) as folder,
        opened(SNAPSHOT, f"sqlite:///{folder / DATABASE}"),
    ):
        _bring_up_to_date(folder)
        _check_home(replace)
        with _files_in_place(folder):
            rows = copy_rows(SNAPSHOT, DEFAULT_DB_ALIAS, replace=replace)
    return Summary(
        sum(rows.values()),
        Dataset.objects.values("sha256").distinct().count(),
        Strategy.objects.exclude(artifact="").values("artifact").distinct().count(),
        archive.stat().st_size,
    )


def _bring_up_to_date(folder: Path) -> None:
    """Migrate the unpacked rows to this version; refuse those of a newer one, and rows without their files."""
    loader = MigrationExecutor(connections[SNAPSHOT]).loader
    if unknown := sorted(set(loader.applied_migrations) - set(loader.disk_migrations)):
        raise BackupRejected(f"the backup comes from a newer version: it has {'.'.join(unknown[0])}")
    migrate_if_needed(SNAPSHOT)
    for sha256 in Dataset.objects.using(SNAPSHOT).values_list("sha256", flat=True):
        if not (folder / "datasets" / storage.file_name(sha256)).is_file():
            raise BackupRejected(f"the backup lacks the bars {sha256[:12]} of a dataset")
    for name in Strategy.objects.using(SNAPSHOT).exclude(artifact="").values_list("artifact", flat=True):
        if not all((folder / "artifacts" / name / part).is_file() for part in PARTS):
            raise BackupRejected(f"the backup lacks the model file {name[:12]} of a strategy")


def _check_home(replace: bool) -> None:
    if connections[DEFAULT_DB_ALIAS].introspection.table_names():
        for kind in all_kinds():
            at_work = kind.model_class._default_manager.filter(
                state=RunState.RUNNING, lease_until__gt=Now()
            ).first()
            if at_work is not None:
                raise StateConflict(f"{at_work.public_id} is running: stop the workers first")
    migrate_if_needed(DEFAULT_DB_ALIAS)
    if not replace:
        refuse_rows(DEFAULT_DB_ALIAS)


@contextmanager
def _files_in_place(folder: Path) -> Iterator[None]:
    """Bring datasets and model files to their places; those that were new leave again if the block fails."""
    added: list[Path] = []
    try:
        for path in sorted(folder.glob("datasets/*/*.parquet")):
            target = Path(settings.TRAININGDAY_DATASETS) / storage.file_name(path.stem)
            if not _is_bars(target):
                _bring(path, target, added)
        store = artifact_store()
        for path in sorted(folder.glob("artifacts/*")):
            try:
                store.verify(path.name)
            except ArtifactRejected:
                _bring(path, store.path(path.name), added)
        yield
    except BaseException:
        for target in added:
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        raise


def _is_bars(path: Path) -> bool:
    try:
        storage.verify(path, path.stem)
    except ArtifactRejected:
        return False
    return True


def _bring(path: Path, target: Path, added: list[Path]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():  # a damaged namesake
        shutil.rmtree(target)
    os.replace(path, target)  # noqa: PTH105  (the same file system: both lie below the home)
    os.utime(target)  # young, so that no sweeper takes it before its row is there
    added.append(target)
