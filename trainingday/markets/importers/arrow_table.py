"""Parquet and Feather tables, as typed Arrow columns."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.names import clean_label
from trainingday.markets.importers.options import ImportLimits
from trainingday.markets.importers.table import Table

# what damaged files raise inside Arrow; MemoryError is Arrow's too, for lengths that a damaged file invents
DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, MemoryError, UnicodeDecodeError)


def read_parquet_table(data: bytes, limits: ImportLimits) -> Table:
    """Return the columns of a Parquet file; its row count is checked before anything is decoded."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        _check_size(file.metadata.num_rows, len(file.schema_arrow), limits)
        return _table("parquet", file.read(use_threads=False))
    except DAMAGE as error:
        raise ImportRefused("corrupt_parquet", "the Parquet file is damaged", status=400) from error


def read_feather_table(data: bytes, limits: ImportLimits) -> Table:
    """Return the columns of a Feather file, counting rows batch by batch."""
    try:
        if data.startswith(b"FEA1"):
            table = feather.read_table(pa.BufferReader(data), use_threads=False)
            _check_size(table.num_rows, table.num_columns, limits)
            return _table("feather", table)
        reader = ipc.open_file(pa.BufferReader(data))
        n_rows, batches = 0, []
        for index in range(reader.num_record_batches):
            batches.append(reader.get_batch(index))
            n_rows += batches[-1].num_rows
            _check_size(n_rows, len(reader.schema), limits)
        return _table("feather", pa.Table.from_batches(batches, reader.schema))
    except DAMAGE as error:
        raise ImportRefused("corrupt_feather", "the Feather file is damaged", status=400) from error


def _check_size(n_rows: int, n_columns: int, limits: ImportLimits) -> None:
    if n_columns > limits.max_columns:
        raise ImportRefused(
            "too_many_columns",
            f"the file should have at most {limits.max_columns} columns, has {n_columns}",
            status=413,
        )
    if n_rows > limits.max_rows or n_rows * n_columns > limits.max_cells:
        raise ImportRefused(
            "too_many_rows",
            f"the file should hold at most {limits.max_rows:,} rows, holds {n_rows:,}",
            status=413,
        )


def _table(kind: str, table: pa.Table) -> Table:
    table.validate(full=True)  # damaged offsets would crash later reads
    if table.num_rows == 0:
        raise ImportRefused("empty_file", "the file has no rows", status=400)
    return Table(kind, tuple(map(clean_label, table.column_names)), tuple(map(_plain, table.columns)))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column without dictionary encoding, zoned times in UTC, nulls of text as empty cells."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return column.cast(pa.timestamp(kind.unit, "UTC"))  # the same instants
    if pa.types.is_large_string(kind) or pa.types.is_string(kind) or pa.types.is_string_view(kind):
        column = column.cast(pa.string()).fill_null("")
    return column
