"""JSON tables: arrays of arrays, arrays of objects, or an object of columns, as text cells."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.names import clean_label
from trainingday.markets.importers.options import ImportLimits
from trainingday.markets.importers.table import Table

WRAPPERS = ("data", "result", "candles", "bars", "prices", "ohlcv", "values")


def read_json_table(data: bytes, limits: ImportLimits) -> Table:
    """Return the cells of a JSON file as text; numbers keep their shortest exact form.

    Raises
    ------
    ImportRefused
        `malformed_json` or `empty_file` (400), `too_many_rows` or `too_many_columns` (413),
        `columns`, `field_count` or `column_type` (422).
    """
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ImportRefused("not_utf8", "the file is not UTF-8; save it as UTF-8", status=400) from error
    except (ValueError, RecursionError) as error:
        reason = clean_label(str(error))
        raise ImportRefused(
            "malformed_json", f"the file is not readable JSON: {reason}", status=400
        ) from error
    names, rows = _rows(value)
    if not rows:
        raise ImportRefused("empty_file", "the JSON holds no rows", status=400)
    n_fields = len(rows[0])
    if n_fields > limits.max_columns:
        raise ImportRefused(
            "too_many_columns",
            f"a row should have at most {limits.max_columns} values, has {n_fields}",
            status=413,
        )
    if len(rows) > limits.max_rows or len(rows) * n_fields > limits.max_cells:
        raise ImportRefused(
            "too_many_rows",
            f"the file should hold at most {limits.max_rows:,} rows, holds {len(rows):,}",
            status=413,
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != n_fields:
            raise ImportRefused(
                "field_count",
                f"row {number}: the row should have {n_fields} values, has {len(row)}",
                row=number,
            )
    try:
        cells = [pa.array([_cell(row[index]) for row in rows], pa.string()) for index in range(n_fields)]
    except UnicodeEncodeError as error:
        raise ImportRefused(
            "malformed_json", "the JSON holds a broken character (lone surrogate)", status=400
        ) from error
    names = tuple(map(clean_label, names)) if names else None
    return Table("json", names, tuple(pa.chunked_array([column]) for column in cells))


def _rows(value: Any) -> tuple[tuple[str, ...] | None, list[list[Any]]]:
    """Return the names, where the JSON has them, and the rows."""
    if isinstance(value, dict):
        inner = next((value[name] for name in WRAPPERS if isinstance(value.get(name), list | dict)), None)
        if inner is not None:
            return _rows(inner)
        return _rows_of_columns(value)
    if not isinstance(value, list):
        raise ImportRefused("columns", "the JSON should be an array of bars")
    if all(isinstance(row, list) for row in value):
        return None, value
    if all(isinstance(row, dict) for row in value):
        names = tuple(value[0])
        return names, [[row.get(name) for name in names] for row in value]
    raise ImportRefused("columns", "the JSON should be an array of arrays or an array of objects")


def _rows_of_columns(value: dict[str, Any]) -> tuple[tuple[str, ...], list[list[Any]]]:
    columns = {name: column for name, column in value.items() if isinstance(column, list)}
    if not columns or len({len(column) for column in columns.values()}) != 1:
        raise ImportRefused("columns", "the JSON object should hold columns of equal length")
    return tuple(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def _cell(value: Any) -> str:
    if isinstance(value, list | dict):
        raise ImportRefused("column_type", "a bar's values should be numbers, one is an array or object")
    if value is None:
        return ""
    return value if isinstance(value, str) else repr(value)
