"""Backup and restore of everything: the database's rows, datasets and model files, in one signed archive.

The archive is a tar of `manifest.json` (each file's size and sha256), its signature under the artefact keys, one
SQLite file with every row, and the files that those rows name.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.utils import timezone

from strategies.models import Strategy
from strategies.store import artifact_store
from trainingday.artifacts import PARTS, canonical_json
from trainingday.exceptions import ArtifactRejected, StateConflict, TrainingDayError
from trainingday.markets import storage
from trainingday.markets.models import Dataset
from trainingday.runs.rows import copy_rows, count_rows, leave_behind, make_tables, opened

MANIFEST, SIGNATURE, DATABASE = "manifest.json", "manifest.sig", "database.sqlite3"
FORMAT = "trainingday-backup-1"
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
SNAPSHOT = "backup_snapshot"
NAME = re.compile(
    rf"{re.escape(DATABASE)}"
    r"|datasets/([0-9a-f]{2})/\1[0-9a-f]{62}\.parquet"
    rf"|artifacts/[0-9a-f]{{64}}/({'|'.join(map(re.escape, PARTS))})"
)
CHUNK = 1024 * 1024


class BackupRejected(TrainingDayError):
    """A backup is damaged, was altered, or is of a newer version."""


@dataclass(frozen=True)
class Summary:
    """What an archive holds."""

    rows: int
    datasets: int
    artifacts: int
    n_bytes: int


def backup(target: Path) -> Summary:
    """Write everything into a new archive, while workers may run; return what it holds.

    Rows are those of one moment. Each dataset and model file is checked before it is taken, and the whole
    archive is read back before it gets its name.

    Raises
    ------
    StateConflict
        If the target exists.
    ArtifactRejected
        If a file that a row names is missing or damaged.
    """
    if target.exists():
        raise StateConflict(f"{target} exists: a backup overwrites nothing")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as folder:
        database = Path(folder) / DATABASE
        rows, files = _snapshot(database)
        archive = Path(folder) / "archive.tar"
        _write(archive, {DATABASE: database} | files)
        with unpacked(archive, Path(folder)):
            pass
        n_bytes = archive.stat().st_size
        _publish(archive, target)
    n_datasets = sum(name.startswith("datasets/") for name in files)
    return Summary(rows, n_datasets, (len(files) - n_datasets) // len(PARTS), n_bytes)


def _snapshot(database: Path) -> tuple[int, dict[str, Path]]:
    """Write all rows of one moment into a SQLite file; return how many, and the files that they name."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(database)) as copy:
            connection.connection.backup(copy)
    with opened(SNAPSHOT, f"sqlite:///{database}"):
        if connection.vendor == "sqlite":
            leave_behind(SNAPSHOT)
            with connections[SNAPSHOT].cursor() as cursor:
                cursor.execute("PRAGMA journal_mode=DELETE")
                cursor.execute("VACUUM")  # what was left behind leaves no trace
        else:
            make_tables(SNAPSHOT)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                copy_rows(DEFAULT_DB_ALIAS, SNAPSHOT)
        return count_rows(SNAPSHOT), {**_datasets(), **_artifacts()}


def _datasets() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for sha256 in sorted(set(Dataset.objects.using(SNAPSHOT).values_list("sha256", flat=True))):
        storage.local_bars(sha256)  # fetched where this machine has none
        path = Path(settings.TRAININGDAY_DATASETS) / storage.file_name(sha256)
        storage.verify(path, sha256)
        found[f"datasets/{storage.file_name(sha256)}"] = path
    return found


def _artifacts() -> dict[str, Path]:
    store = artifact_store()
    found: dict[str, Path] = {}
    named = Strategy.objects.using(SNAPSHOT).exclude(artifact="").values_list("artifact", flat=True)
    for name in sorted(set(named)):
        store.verify(name)
        found |= {f"artifacts/{name}/{part}": store.path(name) / part for part in PARTS}
    return found


def _write(archive: Path, files: Mapping[str, Path]) -> None:
    manifest = canonical_json(
        {
            "format": FORMAT,
            "created_at": timezone.now().isoformat(),
            "files": {name: [path.stat().st_size, _sha256(path)] for name, path in files.items()},
        }
    )
    with archive.open("wb") as stream:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for name, content in ((MANIFEST, manifest), (SIGNATURE, artifact_store().sign(manifest))):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            for name, path in files.items():
                tar.add(path, name, recursive=False)
        stream.flush()
        os.fsync(stream.fileno())


def _publish(archive: Path, target: Path) -> None:
    try:
        os.link(archive, target)  # unlike a rename it never replaces what has come meanwhile
    except FileExistsError as error:
        raise StateConflict(f"{target} exists: a backup overwrites nothing") from error
    target.chmod(0o600)  # it holds password hashes


@contextmanager
def unpacked(archive: Path, parent: Path) -> Iterator[Path]:
    """Yield a folder below `parent` with the archive's files, every one of which has been checked.

    Raises
    ------
    BackupRejected
        If the archive is damaged, altered, signed with no key of this home, or holds what it should not.
    """
    with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=parent) as name:
        folder = Path(name)
        try:
            with tarfile.open(archive, "r:") as tar:
                _unpack(tar, folder)
            _check_content(folder)
        except (tarfile.TarError, OSError, EOFError, ArtifactRejected) as error:
            raise BackupRejected(f"{archive.name} is no whole backup of this product: {error}") from error
        yield folder


def _unpack(tar: tarfile.TarFile, folder: Path) -> None:
    files = _manifest(tar)
    left = dict(files)
    for entry in iter(tar.next, None):
        if entry.name not in left or not entry.isreg():
            raise BackupRejected(f"the backup holds {entry.name!r}, which its manifest does not name so")
        size, sha256 = left.pop(entry.name)
        target = folder / entry.name
        target.parent.mkdir(parents=True, exist_ok=True)
        stream = tar.extractfile(entry)
        if stream is None or entry.size != size or _copy(stream, target) != sha256:
            raise BackupRejected(f"{entry.name} is not what was saved: the backup is damaged or altered")
    if left:
        raise BackupRejected(f"the backup lacks {min(left)}")


def _manifest(tar: tarfile.TarFile) -> dict[str, tuple[int, str]]:
    """Return size and sha256 of each file, whose signature has been checked before it is parsed."""
    body, signature = _head(tar, MANIFEST), _head(tar, SIGNATURE)
    artifact_store().check_signature(body, signature)
    manifest = json.loads(body)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BackupRejected(f"a backup should be of format {FORMAT}")
    files = {name: (int(size), str(sha256)) for name, (size, sha256) in manifest["files"].items()}
    if DATABASE not in files or not all(NAME.fullmatch(name) for name in files):
        raise BackupRejected("the backup's manifest names files that no backup has")
    return files


def _head(tar: tarfile.TarFile, name: str) -> bytes:
    entry = tar.next()
    stream = tar.extractfile(entry) if entry is not None and entry.isreg() else None
    if entry is None or stream is None or entry.name != name or entry.size > MAX_MANIFEST_BYTES:
        raise BackupRejected(f"a backup should begin with {MANIFEST} and {SIGNATURE}")
    return stream.read()


def _copy(stream: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("wb") as file:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _check_content(folder: Path) -> None:
    """Raise ArtifactRejected unless every dataset and model file is what its own name says."""
    for path in folder.glob("datasets/*/*.parquet"):
        storage.verify(path, path.stem)
    store = replace(artifact_store(), folder=folder / "artifacts", remote=None)
    for name in store.names():
        store.verify(name)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
