"""The sweeper: removes what a crash left on disk, files that no row names and halves of files."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

MIN_AGE = timedelta(hours=1)
TRASH = ".swept-"
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class FileStore:
    """A folder whose entries are named by rows; a file is always on disk before its row.

    Attributes
    ----------
    folder : callable
        Returns the folder.
    depth : int
        1 where the entries lie in the folder itself, 2 where they lie in its subfolders.
    named : callable
        Returns the names of the entries that rows need. All other entries are left over.
    """

    folder: Callable[[], Path]
    depth: int
    named: Callable[[], set[str]]

    def entries(self) -> Iterator[Path]:
        """Yield whatever lies at the store's depth, halves of files included."""
        if self.folder().is_dir():
            yield from self.folder().glob("/".join(["*"] * self.depth))


_stores: dict[str, FileStore] = {}
_swept_at = float("-inf")


def register_store(name: str, store: FileStore) -> None:
    """Let the sweeper look after a folder."""
    _stores[name] = store


def sweep_hourly() -> None:
    """Sweep when this worker process has not within the hour; sweeping more often does no harm."""
    global _swept_at
    if time.monotonic() - _swept_at >= MIN_AGE.total_seconds():
        _swept_at = time.monotonic()
        sweep()


def sweep(min_age: timedelta = MIN_AGE) -> list[Path]:
    """Remove entries older than `min_age` that no row names; return them.

    A writer that finds its content on disk makes it young again before it stores the row. So what is still
    old after it was moved away is nobody's, and what has become young meanwhile is put back.
    """
    removed = []
    for name, store in _stores.items():
        old = [entry for entry in store.entries() if _is_old(entry, min_age)]
        if not old:
            continue
        named = store.named()
        for entry in old:
            if entry.name.startswith(TRASH):
                _put_back(entry, named)
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name not in named and _remove(entry, store, min_age):
                removed.append(entry)
                log.info("swept", store=name, entry=entry.name)
    return removed


def _is_old(entry: Path, min_age: timedelta) -> bool:
    try:
        return time.time() - entry.stat().st_mtime >= min_age.total_seconds()
    except FileNotFoundError:
        return False


def _remove(entry: Path, store: FileStore, min_age: timedelta) -> bool:
    trash = Path(tempfile.mkdtemp(prefix=TRASH, dir=entry.parent))
    moved = trash / entry.name
    try:
        os.replace(entry, moved)  # noqa: PTH105  (its age goes with it)
        is_nobodys = _is_old(moved, min_age) and entry.name not in store.named()
        if not is_nobodys:
            _put_back(trash, {entry.name})
        return is_nobodys
    except FileNotFoundError:
        return False
    finally:
        shutil.rmtree(trash, ignore_errors=True)


def _put_back(trash: Path, named: set[str]) -> None:
    """Return what rows need to its place, unless it has been written anew."""
    for moved in trash.iterdir():
        target = trash.parent / moved.name
        if moved.name in named and not target.exists():
            os.replace(moved, target)  # noqa: PTH105
