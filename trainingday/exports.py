"""Tables as files: CSV that no spreadsheet takes for formulas, and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.http import HttpResponse

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


def export(
    kind: str,
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    filters: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """Return a table as the file `title`.csv or `title`.json; the latter names the filters that made it."""
    body = csv_text(header, rows) if kind == "csv" else _json_text(title, header, rows, filters or {})
    response = HttpResponse(body, content_type=CONTENT_TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{title}.{kind}"'
    return response


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return out.getvalue()


def csv_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: such text gets a quote in front."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _json_text(
    title: str, header: Sequence[str], rows: Iterable[Sequence[Any]], filters: Mapping[str, Any]
) -> str:
    records = [dict(zip(header, row, strict=True)) for row in rows]
    body = {"list": title, "filters": dict(filters), "n": len(records), "rows": records}
    return json.dumps(body, ensure_ascii=False, indent=1, default=_plain)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
