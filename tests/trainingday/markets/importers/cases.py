"""The input of every row of import_cases.csv, built by hand from one small valid file."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from trainingday.markets.importers.options import ImportLimits, ImportOptions

HEADER = "timestamp,open,high,low,close,volume"
# hour, open, high, low, close, volume: every bar is valid, no step is large
BARS = [
    (0, "100.0", "101.5", "99.5", "101.0", "10"),
    (1, "101.0", "102.5", "100.5", "102.0", "11"),
    (2, "102.0", "103.5", "101.5", "103.0", "12"),
    (3, "103.0", "104.5", "102.5", "104.0", "13"),
    (4, "104.0", "105.5", "103.5", "105.0", "14"),
    (5, "105.0", "106.5", "104.5", "106.0", "15"),
]
START = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """One upload: its content, and what the user chose."""

    data: bytes
    options: ImportOptions = field(default_factory=ImportOptions)
    limits: ImportLimits = field(default_factory=ImportLimits)
    uploads: int = 1


def iso(hour: int) -> str:
    return (START + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(hour: int) -> int:
    return int((START + timedelta(hours=hour)).timestamp())


def rows() -> list[list[str]]:
    return [[iso(hour), *values] for hour, *values in BARS]


def text(cells: list[list[str]], header: str | None = HEADER, delimiter: str = ",", end: str = "\n") -> bytes:
    lines = ([header.replace(",", delimiter)] if header else []) + [delimiter.join(row) for row in cells]
    return (end.join(lines) + end).encode()


def with_cell(row: int, column: int, value: str) -> Case:
    """Return the valid file with one cell changed; rows count from 1, columns from 0 (the time)."""
    cells = rows()
    cells[row - 1][column] = value
    return Case(text(cells))


def with_stamps(stamp: Callable[[int], str]) -> Case:
    return Case(text([[stamp(hour), *values] for hour, *values in BARS]))


def with_rows(change: Callable[[list[list[str]]], list[list[str]]], **options: Any) -> Case:
    return Case(text(change(rows())), ImportOptions(**options))


def table(**changed: Any) -> pa.Table:
    hours = [START + timedelta(hours=hour) for hour, *_ in BARS]
    columns: dict[str, Any] = {"timestamp": pa.array(hours, pa.timestamp("us", "UTC"))}
    for index, name in enumerate(("open", "high", "low", "close", "volume"), start=1):
        columns[name] = pa.array([float(bar[index]) for bar in BARS])
    return pa.table({**columns, **changed})


def parquet(content: pa.Table) -> bytes:
    sink = io.BytesIO()
    pa.parquet.write_table(content, sink)
    return sink.getvalue()


def feather(content: pa.Table) -> bytes:
    sink = io.BytesIO()
    pa.feather.write_feather(content, sink)
    return sink.getvalue()


def archive(**members: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name.replace("__", "/").replace("_csv", ".csv"), data)
    return sink.getvalue()


def _named_archive(name: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr(name, valid().data)
    return sink.getvalue()


def valid() -> Case:
    return Case(text(rows()))


def swap(cells: list[list[str]], order: list[int]) -> list[list[str]]:
    return [[row[index] for index in order] for row in cells]


def many(n_rows: int, n_bad: int) -> Case:
    """Return a longer file in quarantine mode with `n_bad` rows without a close."""
    cells = []
    for row in range(n_rows):
        price = 100 + row % 7
        cells.append([iso(row), f"{price}", f"{price + 2}", f"{price - 2}", f"{price + 1}", "5"])
    for row in range(n_bad):
        cells[row * (n_rows // n_bad)][4] = ""
    return Case(text(cells), ImportOptions(quarantine=True))


def swapped_volumes() -> Case:
    cells = []
    for row, cell in enumerate(rows()):
        base, quote = cell[5], str(float(cell[5]) * float(cell[4]))
        cells.append([*cell[:5], *((base, quote) if row < 3 else (quote, base))])
    return Case(text(cells, HEADER + ",Volume USD"))


def split_shares() -> Case:
    """Return twelve bars whose price halves after the sixth, and stays there."""
    cells = []
    for row in range(12):
        price = (100 + row % 3) / (1 if row < 6 else 2)
        cells.append([iso(row), f"{price}", f"{price * 1.01}", f"{price * 0.99}", f"{price * 1.005}", "5"])
    return Case(text(cells))


def ambiguous_columns() -> Case:
    """Return bars that all close at their high: open, high, low, close or open, close, low, high."""
    cells = [
        [iso(hour), str(100 + hour), str(103 + hour), str(99 + hour), str(103 + hour), "5"]
        for hour in range(6)
    ]
    return Case(text(cells, header=None))


def autumn() -> Case:
    """Return New York hours over the end of daylight saving, 01:00 twice with its two offsets."""
    stamps = ["2024-11-03T00:00:00-04:00", "2024-11-03T01:00:00-04:00", "2024-11-03T01:00:00-05:00",
              "2024-11-03T02:00:00-05:00", "2024-11-03T03:00:00-05:00", "2024-11-03T04:00:00-05:00"]  # fmt: skip
    return Case(text([[stamp, *cells[1:]] for stamp, cells in zip(stamps, rows(), strict=True)]))


def day_first(first_day: int) -> Case:
    """Return daily bars dated dd/mm/yyyy from a day of January."""
    cells = [[f"{first_day + row:02d}/01/2024", *cell[1:]] for row, cell in enumerate(rows())]
    return Case(text(cells))


def jump() -> Case:
    cells = rows()
    cells[2] = [cells[2][0], *(str(float(value) * 100) for value in cells[2][1:5]), "12"]
    return Case(text(cells))


def bomb_parquet() -> Case:
    data = parquet(pa.table({"timestamp": np.zeros(200_000, dtype=np.int64)}))
    return Case(data, limits=ImportLimits(max_rows=100_000))


def small_limit(data: bytes, n_bytes: int = 1000) -> Case:
    return Case(data, limits=ImportLimits(max_bytes=n_bytes))


def mixed_epochs() -> Case:
    return with_stamps(lambda hour: str(epoch(hour) * (1000 if hour >= 3 else 1)))


def duplicate(options: ImportOptions | None = None) -> Case:
    cells = rows()
    cells.insert(2, [*cells[1][:4], "101.9", "11"])
    return Case(text(cells), options or ImportOptions())


def with_null(value: float | None) -> Case:
    closes = [101.0, value, 103.0, 104.0, 105.0, 106.0]
    return Case(parquet(table(close=pa.array(closes, pa.float64()))))


def funding() -> Case:
    zeros = pa.array([0.0] * len(BARS))
    rates = pa.array([0.0001] * len(BARS))
    return Case(feather(table(open=rates, high=zeros, low=zeros, close=zeros, volume=zeros)))


def off_grid() -> Case:
    cells = rows()
    cells[1][0] = "2024-01-01T01:30:00Z"
    return Case(text(cells))


def constant() -> Case:
    return Case(text([[row[0], "100", "100", "100", "100", "5"] for row in rows()]))


def workbook() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr("[Content_Types].xml", "<Types/>")
        file.writestr("xl/workbook.xml", "<workbook/>")
    return sink.getvalue()


def cell(value: str) -> Callable[[], Case]:
    """Return the builder of the valid file whose second close is `value`."""
    return lambda: with_cell(2, 4, value)


def stamp(value: str, row: int = 2) -> Callable[[], Case]:
    return lambda: with_cell(row, 0, value)


TOMORROW_WEEK = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%dT%H:00:00Z")
NESTED = {"nested": pa.array([[1.0]] * len(BARS))}

BUILDERS: dict[str, Callable[[], Case]] = {
    "valid": valid,
    "valid parquet": lambda: Case(parquet(table())),
    "BOM": lambda: Case(b"\xef\xbb\xbf" + valid().data),
    "CRLF": lambda: Case(text(rows(), end="\r\n")),
    "columns reordered": lambda: Case(
        text(swap(rows(), [5, 4, 3, 2, 1, 0]), "volume,close,low,high,open,timestamp")
    ),
    "scientific 1.0e2": lambda: with_cell(1, 1, "1.0e2"),
    "offset +02:00 equals UTC grid": lambda: with_stamps(
        lambda hour: (START + timedelta(hours=hour + 2)).strftime("%Y-%m-%dT%H:%M:%S+02:00")
    ),
    "DST autumn with offsets": autumn,
    "gap (warn)": lambda: with_rows(lambda cells: cells[:2] + cells[3:]),
    "zero volume (warn)": lambda: with_cell(2, 5, "0"),
    "NaN price": cell("NaN"),
    "empty cell": cell(""),
    "null text": cell("null"),
    "inf": cell("inf"),
    "-Infinity": cell("-Infinity"),
    "1e309 overflow": cell("1e309"),
    "1e308": cell("1e308"),
    "1e-300": cell("1e-300"),
    "negative price": cell("-5"),
    "zero price": cell("0"),
    "negative volume": lambda: with_cell(2, 5, "-1"),
    "volume 1e300": lambda: with_cell(2, 5, "1e300"),
    "high<low": lambda: with_cell(2, 2, "100.4"),
    "close>high": cell("102.6"),
    "open<low": lambda: with_cell(2, 1, "100.4"),
    "thousand sep quoted": cell('"1,002.0"'),
    "underscore 1_00": cell("1_02"),
    "hex": cell("0x66"),
    "True": cell("True"),
    "currency $100": cell("$102"),
    "percent": cell("102%"),
    "arabic digits": cell("١٠٢"),
    "fullwidth digits": cell("１０２"),
    "formula =1+1": cell("=1+101"),
    "price jump x100": jump,
    "duplicate ts": lambda: with_rows(lambda cells: [*cells[:2], cells[1], *cells[2:]]),
    "descending": lambda: with_rows(lambda cells: cells[::-1]),
    "unsorted": lambda: with_rows(lambda cells: [cells[1], cells[0], *cells[2:]]),
    "one naive stamp among zoned ones": stamp("2024-01-01T01:00:00"),
    'one "CET" stamp among zoned ones': stamp("2024-01-01 01:00:00 CET"),
    "one epoch stamp among ISO ones": stamp(str(epoch(1))),
    "one epoch-ms stamp among ISO ones": stamp(str(epoch(1) * 1000)),
    "one dd/mm/yyyy stamp among ISO ones": stamp("01/01/2024 01:00"),
    "'now'": stamp("now"),
    "Feb 30": stamp("2024-02-30T01:00:00Z"),
    "24:00": stamp("2024-01-01T24:00:00Z"),
    "leap second :60": stamp("2024-01-01T00:59:60Z"),
    "future": stamp(TOMORROW_WEEK, row=5),
    "year 9999 -14:00": stamp("9999-12-31T23:00:00-14:00", row=5),
    "first stamp 1970, the rest 2024": stamp("1970-01-01T00:00:00Z", row=1),
    "off grid 01:30": off_grid,
    "one row": lambda: with_rows(lambda cells: cells[:1]),
    "constant price": constant,
    "header only": lambda: Case(text([])),
    "0 bytes": lambda: Case(b""),
    "header missing": lambda: Case(text(rows(), header=None)),
    "dup header": lambda: Case(text(rows(), "timestamp,open,high,low,close,close")),
    "volume column missing": lambda: Case(text([row[:5] for row in rows()], "timestamp,open,high,low,close")),
    "extra column in header": lambda: Case(text(rows(), HEADER + ",trades")),
    "extra field in rows": lambda: Case(text([[*row, "7"] for row in rows()])),
    "short row": lambda: with_rows(lambda cells: [cells[0], cells[1][:5], *cells[2:]]),
    "semicolon": lambda: Case(text(rows(), delimiter=";")),
    "decimal comma": lambda: Case(
        text([[row[0], *(value.replace(".", ",") for value in row[1:])] for row in rows()], delimiter=";")
    ),
    "tab": lambda: Case(text(rows(), delimiter="\t")),
    "unclosed quote": cell('"102.0'),
    "NUL byte": cell("102\x00"),
    "utf-16": lambda: Case(valid().data.decode().encode("utf-16")),
    "latin-1": lambda: Case("# Börse Zürich\n".encode("latin-1") + valid().data),
    "1000 columns": lambda: Case(
        text([[*row, *["1"] * 994] for row in rows()], HEADER + "".join(f",x{index}" for index in range(994)))
    ),
    "1 MB field": cell("1" * 1_000_000),
    "file over the limit (limit lowered in the test)": lambda: small_limit(valid().data, 100),
    "gzip named csv": lambda: Case(gzip.compress(valid().data)),
    "exe": lambda: Case(b"MZ\x90\x00" + bytes(200)),
    "csv named parquet": valid,
    "truncated parquet": lambda: Case(parquet(table())[:-200]),
    "parquet PAR1 junk": lambda: Case(b"PAR1" + b"junk" * 50 + b"PAR1"),
    "parquet bomb": bomb_parquet,
    "parquet null": lambda: with_null(None),
    "parquet NaN": lambda: with_null(float("nan")),
    "parquet naive ts": lambda: Case(parquet(table(timestamp=table()["timestamp"].cast(pa.timestamp("us"))))),
    "parquet string price": lambda: Case(parquet(table(close=pa.array([bar[4] for bar in BARS])))),
    "parquet nested": lambda: Case(parquet(table(close=NESTED["nested"]))),
    "traversal name": valid,
    "backslash name": valid,
    "newline name": valid,
    "all stamps naive": lambda: with_stamps(lambda hour: iso(hour).removesuffix("Z")),
    "all stamps epoch seconds": lambda: with_stamps(lambda hour: str(epoch(hour))),
    "all stamps epoch milliseconds as floats": lambda: with_stamps(lambda hour: f"{epoch(hour) * 1000}.0"),
    "epoch seconds and milliseconds mixed in one column": mixed_epochs,
    "dd/mm and mm/dd both possible in every row": lambda: day_first(1),
    "dd/mm/yyyy with a day above 12": lambda: day_first(10),
    "conflicting duplicate stamps": duplicate,
    "conflicting duplicate stamps with the rule keep=last given": lambda: duplicate(
        ImportOptions(keep="last")
    ),
    "no header and two column orders pass the OHLC check": ambiguous_columns,
    "open column missing": lambda: Case(
        text(swap(rows(), [0, 2, 3, 4, 5]), "timestamp,high,low,close,volume")
    ),
    "close-only series": lambda: Case(text(swap(rows(), [0, 4]), "timestamp,close")),
    "comment line before the header": lambda: Case(b"# from my broker, 2024\n" + valid().data),
    "zip with one csv inside": lambda: Case(archive(bars_csv=valid().data)),
    "zip with two csv inside": lambda: Case(archive(one_csv=valid().data, two_csv=valid().data)),
    "zip bomb": lambda: small_limit(archive(bars_csv=b"0" * 5_000_000), 1_000_000),
    "zip member named ../../x.csv": lambda: Case(_named_archive("../../x.csv")),
    "multi-member gzip": lambda: Case(gzip.compress(valid().data[:100]) + gzip.compress(valid().data[100:])),
    "JSON array of [ms,o,h,l,c,v]": lambda: Case(
        json.dumps([[epoch(hour) * 1000, *map(float, values)] for hour, *values in BARS]).encode()
    ),
    "JSON nested 100000 deep": lambda: Case(b"[" * 100_000 + b"]" * 100_000),
    "feather with tz-aware stamps": lambda: Case(feather(table())),
    "funding-rate feather (only open filled, others 0)": funding,
    "quarantine chosen: 3 bad rows of 5000": lambda: many(5000, 3),
    "quarantine chosen: 2000 bad rows of 5000": lambda: many(5000, 2000),
    "base and quote volume swapped half way": swapped_volumes,
    "price ratio near 1/2 in one step (unadjusted split)": split_shares,
    "same file imported twice": lambda: Case(valid().data, uploads=2),
    "xlsx workbook named csv": lambda: Case(workbook()),
}
# rows where the code is one of several true warnings
MORE_WARNINGS = {"quarantine chosen: 3 bad rows of 5000"}
