"""Text tables: encoding, delimiter, preamble, header, and the cells as columns of text."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.names import clean_label, count_prices, looks_numeric
from trainingday.markets.importers.options import ImportLimits, ImportOptions
from trainingday.typing import IntArray

DELIMITERS = ("\t", ";", "|", ",")
SAMPLE_LINES = 60
MAX_PREAMBLE = 20
CHUNK_ROWS = 50_000


@dataclass(frozen=True)
class Table:
    """The cells of a file: columns of text, or typed Arrow columns.

    Attributes
    ----------
    names : tuple of str or None
        Column names of the header; None where the file has none.
    columns : tuple of pyarrow.ChunkedArray
        Each of n_rows cells.
    preamble : tuple of str
        Comment lines before the table.
    ragged : tuple of (row number from 0, text)
        Rows with another number of fields, which `columns` leaves out.
    row_numbers : ndarray of shape (n_rows,) or None
        Each row's number in the file from 0; None where no row was left out.
    """

    kind: str
    names: tuple[str, ...] | None
    columns: tuple[pa.ChunkedArray, ...]
    delimiter: str | None = None
    preamble: tuple[str, ...] = ()
    ragged: tuple[tuple[int, str], ...] = ()
    row_numbers: IntArray | None = None

    @property
    def n_rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def label(self, column: int) -> str:
        return self.names[column] if self.names else f"column {column + 1}"


@dataclass(frozen=True)
class _Layout:
    delimiter: str
    names: tuple[str, ...] | None
    n_fields: int
    skip_lines: int
    preamble: tuple[str, ...]


def read_text_table(data: bytes, options: ImportOptions, limits: ImportLimits) -> Table:
    """Return the cells of a delimited text file.

    Raises
    ------
    ImportRefused
        `not_utf8`, `nul_byte`, `malformed_csv`, `empty_file` (400), `too_many_columns`, `too_many_rows`
        (413), `columns` or `field_count` (422).
    """
    data = _checked_text(data)
    if not data.strip():
        raise ImportRefused("empty_file", "the file is empty", status=400)
    layout = _layout(data, options, limits)
    _check_size(data, layout, limits)
    table = _read_quoted(data, layout) if _has_open_quotes(data) else _read_plain(data, layout)
    if table.n_rows == 0 and not table.ragged:
        raise ImportRefused("empty_file", "the file has a header and no rows", status=400)
    if table.ragged:
        _refuse_ragged(table, layout, options)
    return table


def _checked_text(data: bytes) -> bytes:
    """Return UTF-8 text with \\n line ends and without a byte order mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ImportRefused("not_utf8", "the file is UTF-16; save it as UTF-8", status=400)
    if b"\0" in data:
        raise ImportRefused("nul_byte", "the file holds NUL bytes; it is not text", status=400)
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise ImportRefused(
                "not_utf8", f"the file is not UTF-8 (line {line}); save it as UTF-8", status=400
            ) from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data


def _check_size(data: bytes, layout: _Layout, limits: ImportLimits) -> None:
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
    n_lines = ends.size + 1
    if n_lines > limits.max_rows or n_lines * layout.n_fields > limits.max_cells:
        raise ImportRefused(
            "too_many_rows",
            f"the file should hold at most {limits.max_rows:,} rows and {limits.max_cells:,} cells, "
            f"holds {n_lines:,} lines",
            status=413,
        )
    lengths = np.diff(np.concatenate(([-1], ends, [len(data)])))
    if lengths.max() > limits.max_line:
        line = int(lengths.argmax()) + 1
        raise ImportRefused(
            "malformed_csv", f"line {line} is longer than {limits.max_line:,} bytes", status=400
        )


def _layout(data: bytes, options: ImportOptions, limits: ImportLimits) -> _Layout:
    """Return the delimiter and where header and rows begin."""
    lines = data[: 1 << 20].decode("utf-8", errors="ignore").split("\n", SAMPLE_LINES)[:SAMPLE_LINES]
    filled = [line for line in lines if line.strip()]
    delimiter = options.delimiter or _sniff(filled)
    preamble: list[str] = []
    widths = Counter(len(_fields(line, delimiter)) for line in filled[min(3, len(filled) // 2) :])
    usual = widths.most_common(1)[0][0]
    for skip, line in enumerate(lines[: MAX_PREAMBLE + 1]):
        fields = _fields(line, delimiter)
        if len(fields) > limits.max_columns:
            raise ImportRefused(
                "too_many_columns",
                f"the file should have at most {limits.max_columns} columns, has {len(fields):,}",
                status=413,
            )
        is_header = count_prices(fields) >= 2 or (
            len(fields) == usual and not any(map(looks_numeric, fields))
        )
        if options.has_header is not None and len(fields) == usual:
            is_header = options.has_header
        if line.strip() and is_header:
            return _Layout(delimiter, _names(fields), len(fields), skip + 1, tuple(preamble))
        is_data = len(fields) == usual or any(map(looks_numeric, fields))
        if line.strip() and is_data and not line.lstrip().startswith(("#", "//")):
            return _Layout(delimiter, None, usual, skip, tuple(preamble))
        if line.strip():
            preamble.append(line[:200])
    raise ImportRefused("columns", "no table was found: no header and no rows of numbers")


def _names(fields: list[str]) -> tuple[str, ...]:
    """Return the header's names; `#time` is a time."""
    return tuple(clean_label(field.strip().lstrip("#")) for field in fields)


def _sniff(lines: list[str]) -> str:
    """Return the delimiter that splits most lines alike, tabs and semicolons before commas."""
    best, best_fields = ",", 1
    for delimiter in DELIMITERS:
        counts = Counter(len(_fields(line, delimiter)) for line in lines)
        fields, n_lines = max(counts.items(), key=lambda item: (item[0] >= 5, item[1]))
        if fields >= 5 and n_lines >= 0.5 * len(lines):
            return delimiter
        if fields > best_fields:
            best, best_fields = delimiter, fields
    return best


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def _has_open_quotes(data: bytes) -> bool:
    """Return whether a line ends inside quotes: then only the slow, strict reader is safe."""
    if b'"' not in data:
        return False
    text = np.frombuffer(data, dtype=np.uint8)
    is_inside = np.bitwise_xor.accumulate(text == ord('"'))
    return bool(is_inside[text == 10].any() or is_inside[-1])


def _read_plain(data: bytes, layout: _Layout) -> Table:
    ragged: list[tuple[int, str]] = []

    def skip(row: Any) -> str:
        # Arrow numbers lines from 1, blank ones left out
        ragged.append((int(row.number) - layout.skip_lines - 1, str(row.text)[:200]))
        return "skip"

    names = [f"c{index}" for index in range(layout.n_fields)]
    try:
        cells = pacsv.read_csv(
            io.BytesIO(data),
            read_options=pacsv.ReadOptions(
                skip_rows=layout.skip_lines, column_names=names, use_threads=False, block_size=4 << 20
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=layout.delimiter, quote_char='"', invalid_row_handler=skip
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return Table("text", layout.names, (), layout.delimiter, layout.preamble)
        reason = clean_label(str(error))
        raise ImportRefused("malformed_csv", f"the table cannot be read: {reason}", status=400) from error
    numbers = None
    if ragged:
        bad = np.array([row for row, _ in ragged], dtype=np.int64)
        numbers = np.setdiff1d(np.arange(cells.num_rows + len(ragged)), bad)
    return Table(
        "text", layout.names, tuple(cells.columns), layout.delimiter, layout.preamble, tuple(ragged), numbers
    )


def _read_quoted(data: bytes, layout: _Layout) -> Table:
    """Read a file that uses quotes with Python's strict reader, in chunks."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    for _ in range(layout.skip_lines):
        text.readline()
    reader = csv.reader(text, delimiter=layout.delimiter, strict=True)
    chunks: list[list[pa.Array]] = []
    ragged: list[tuple[int, str]] = []
    numbers: list[int] = []
    row = 0
    try:
        while batch := list(islice(reader, CHUNK_ROWS)):
            good = []
            for fields in batch:
                if len(fields) == layout.n_fields:
                    good.append(fields)
                    numbers.append(row)
                elif not any(field.strip() for field in fields):
                    continue
                else:
                    ragged.append((row, layout.delimiter.join(fields)[:200]))
                row += 1
            if good:
                chunks.append([pa.array(cells, pa.string()) for cells in zip(*good, strict=True)])
    except csv.Error as error:
        raise ImportRefused(
            "malformed_csv", f"the table cannot be read near line {reader.line_num}: {error}", status=400
        ) from error
    columns = tuple(pa.chunked_array(list(parts)) for parts in zip(*chunks, strict=True))
    table = Table("text", layout.names, columns, layout.delimiter, layout.preamble, tuple(ragged))
    return replace(table, row_numbers=np.array(numbers, dtype=np.int64)) if ragged else table


def _refuse_ragged(table: Table, layout: _Layout, options: ImportOptions) -> None:
    n_rows = table.n_rows + len(table.ragged)
    if table.n_rows == 0 and layout.names and layout.delimiter:
        found = table.ragged[0][1].count(layout.delimiter) + 1
        if found < layout.n_fields:
            raise ImportRefused(
                "columns", f"the header names {layout.n_fields} columns, the rows have {found} fields"
            )
    if options.quarantine and table.n_rows:
        return
    row, text = table.ragged[0]
    more = f" ({len(table.ragged):,} of {n_rows:,} rows)" if len(table.ragged) > 1 else ""
    raise ImportRefused(
        "field_count",
        f"row {row + 1}: the row should have {layout.n_fields} fields, is {text[:60]!r}{more}",
        row=row + 1,
    )
