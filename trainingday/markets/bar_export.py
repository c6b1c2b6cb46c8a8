"""A dataset's bars as a file to take away: CSV or Parquet, written piece by piece."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

from trainingday.bars import Bars
from trainingday.markets.intervals import MICROSECONDS
from trainingday.markets.models import Dataset
from trainingday.markets.queries import query_bars

CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
ROWS_AT_ONCE = 100_000
BYTES_AT_ONCE = 1 << 18
SCHEMA = pa.schema(
    [pa.field("time", pa.timestamp("us", "UTC"))]
    + [pa.field(name, pa.float64()) for name in ("open", "high", "low", "close", "volume")]
)


def write_bars_file(dataset: Dataset, kind: str) -> IO[bytes]:
    """Return an open temporary file with a dataset's bars, at its start; it is gone once closed.

    Both kinds hold the opening time in UTC and the numbers exactly as stored. A CSV of them has no cell of
    text, so none that a spreadsheet takes for a formula; the Parquet file says where the bars came from.
    """
    bars = query_bars(dataset)
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the response closes it)
    if kind == "csv":
        _write_csv(file, bars)
    else:
        _write_parquet(file, bars, dataset)
    file.seek(0)
    return file


def bars_response(dataset: Dataset, kind: str, *, is_async: bool) -> StreamingHttpResponse:
    """Return the download of a dataset's bars; `is_async` where ASGI serves, which would read it all at once else."""
    file = write_bars_file(dataset, kind)
    response = StreamingHttpResponse(
        _pieces_async(file) if is_async else _pieces(file), content_type=CONTENT_TYPES[kind]
    )
    name = f"{dataset.market.slug}-v{dataset.version}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Content-Length"] = str(os.fstat(file.fileno()).st_size)
    return response


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(BYTES_AT_ONCE):
            yield piece


async def _pieces_async(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while piece := await sync_to_async(file.read)(BYTES_AT_ONCE):
            yield piece


def _write_csv(file: IO[bytes], bars: Bars) -> None:
    options = pa_csv.WriteOptions(quoting_style="none")
    schema = SCHEMA.set(0, pa.field("time", pa.string()))
    unit = pa.timestamp("us" if (bars.timestamps % MICROSECONDS).any() else "s", "UTC")
    with pa_csv.CSVWriter(file, schema, write_options=options) as writer:
        for table in _tables(bars):
            texts = pc.strftime(table["time"].cast(unit), format="%Y-%m-%dT%H:%M:%SZ")
            writer.write_table(table.set_column(0, "time", texts.cast(pa.string())))


def _write_parquet(file: IO[bytes], bars: Bars, dataset: Dataset) -> None:
    market = dataset.market
    said = {
        "symbol": market.symbol, "venue": market.venue, "interval": market.interval_name,
        "version": str(dataset.version), "sha256": dataset.sha256, "source": dataset.source,
    }  # fmt: skip
    with pq.ParquetWriter(file, SCHEMA.with_metadata(said)) as writer:
        for table in _tables(bars):
            writer.write_table(table.replace_schema_metadata(said))


def _tables(bars: Bars) -> Iterator[pa.Table]:
    for start in range(0, len(bars), ROWS_AT_ONCE):
        piece = bars[start : start + ROWS_AT_ONCE]
        times = pa.array(piece.timestamps.astype("datetime64[us]")).cast(SCHEMA.field("time").type)
        columns = [pa.array(np.asarray(getattr(piece, name))) for name in SCHEMA.names[1:]]
        yield pa.Table.from_arrays([times, *columns], schema=SCHEMA)
