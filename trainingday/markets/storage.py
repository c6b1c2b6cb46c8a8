"""Dataset files: bars as uncompressed Parquet, written atomically, named by their fingerprint, mapped back."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings

from trainingday.bars import Bars
from trainingday.exceptions import ArtifactRejected
from trainingday.object_storage import remote_files

FLOAT_COLUMNS = ("open", "high", "low", "close", "volume")
SCHEMA = pa.schema(
    [pa.field("timestamp_us", pa.int64(), nullable=False)]
    + [pa.field(name, pa.float64(), nullable=False) for name in FLOAT_COLUMNS]
    + [pa.field("gap_before", pa.uint8(), nullable=False)]
)
FORMAT = b"trainingday-bars-1"


def fingerprint(bars: Bars) -> str:
    """Return the sha256 of the bars' content: format, length and the little-endian bytes of every column."""
    digest = hashlib.sha256(FORMAT + len(bars).to_bytes(8, "little"))
    digest.update(_bytes(bars.timestamps, "<i8"))
    for name in FLOAT_COLUMNS:
        # adding 0.0 turns -0.0 into 0.0, so that equal bars have equal fingerprints
        digest.update(_bytes(getattr(bars, name) + 0.0, "<f8"))
    digest.update(_bytes(bars.gap_before, "u1"))
    return digest.hexdigest()


def file_name(sha256: str) -> str:
    """Return where the bars of a fingerprint lie below the folder of datasets."""
    return f"{sha256[:2]}/{sha256}.parquet"


def store_bars(bars: Bars) -> tuple[str, str]:
    """Write the bars into the settings' folder, and into object storage where that is set."""
    folder = Path(settings.TRAININGDAY_DATASETS)
    sha256, name = write_bars(folder, bars)
    remote = remote_files("datasets")
    if remote is not None and not remote.has(name):
        remote.put(name, (folder / name).read_bytes())
    return sha256, name


def local_bars(sha256: str) -> Bars:
    """Return the bars of a fingerprint, fetched from object storage where this machine has none.

    Raises
    ------
    ArtifactRejected
        If they are nowhere, or what is stored is not what the fingerprint names.
    """
    path = Path(settings.TRAININGDAY_DATASETS) / file_name(sha256)
    if not path.exists():
        _fetch(path, sha256)
    return read_bars(path)


def _fetch(path: Path, sha256: str) -> None:
    remote = remote_files("datasets")
    content = remote.get(file_name(sha256)) if remote is not None else None
    if content is None:
        return  # whoever reads says that the file is missing
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".partial-", suffix=".parquet")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        verify(Path(temporary), sha256)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bars(folder: Path, bars: Bars) -> tuple[str, str]:
    """Write the bars below `folder` unless they are there already; return (sha256, path below folder)."""
    sha256 = fingerprint(bars)
    name = file_name(sha256)
    target = folder / name
    with contextlib.suppress(FileNotFoundError):
        os.utime(target)  # young again: the sweeper leaves it to whoever is about to name it
        return sha256, name
    target.parent.mkdir(parents=True, exist_ok=True)
    columns = [bars.timestamps, *(getattr(bars, column) for column in FLOAT_COLUMNS)]
    arrays = [pa.array(column) for column in columns] + [pa.array(bars.gap_before.astype(np.uint8))]
    table = pa.Table.from_arrays(arrays, schema=SCHEMA)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".partial-", suffix=".parquet")
    try:
        with os.fdopen(handle, "wb") as file:
            # plain, uncompressed and in one row group: reading back is a copy, not a decoding
            pq.write_table(
                table, file, compression="none", use_dictionary=False, row_group_size=max(len(bars), 1)
            )
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)
    return sha256, name


def read_bars(path: Path) -> Bars:
    """Return the bars of a dataset file, memory-mapped; their arrays are read-only.

    Raises
    ------
    ArtifactRejected
        If the file is missing, damaged or not a dataset file.
    """
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            table = file.read(use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise ArtifactRejected(f"dataset file {path.name} cannot be read: {error}") from error
    if not table.schema.equals(SCHEMA):
        raise ArtifactRejected(f"dataset file {path.name} should hold columns {SCHEMA.names}")
    stamps, open_, high, low, close, volume, gaps = (_as_numpy(table.column(name)) for name in SCHEMA.names)
    return Bars(stamps, open_, high, low, close, volume, gaps.astype(np.bool_))


def verify(path: Path, sha256: str) -> None:
    """Check that a dataset file holds the bars of this fingerprint; raise ArtifactRejected otherwise."""
    found = fingerprint(read_bars(path))
    if found != sha256:
        raise ArtifactRejected(f"dataset file {path.name} should have fingerprint {sha256}, has {found}")


def _as_numpy(column: pa.ChunkedArray) -> np.ndarray:
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _bytes(column: np.ndarray, dtype: str) -> bytes:
    return np.ascontiguousarray(column, dtype=dtype).tobytes()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
