"""The importer: a file's bytes in, checked bars and everything that was noticed out. Knows no Django."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from trainingday.bars import Bars
from trainingday.exceptions import ImportRefused
from trainingday.markets.importers import framing
from trainingday.markets.importers.arrow_table import read_feather_table, read_parquet_table
from trainingday.markets.importers.columns import ColumnPlan, plan_columns
from trainingday.markets.importers.faults import RowFaults, refuse_many
from trainingday.markets.importers.json_table import read_json_table
from trainingday.markets.importers.names import clean_label
from trainingday.markets.importers.options import Detected, ImportLimits, ImportOptions
from trainingday.markets.importers.other_times import find_contradictions
from trainingday.markets.importers.prices import read_prices
from trainingday.markets.importers.profile import as_mismatch, check_layout
from trainingday.markets.importers.series import Series, arrange, mark_stray_times
from trainingday.markets.importers.table import Table, read_text_table
from trainingday.markets.importers.timestamps import Stamps, parse_stamps
from trainingday.markets.importers.volume import Volume, read_volume
from trainingday.markets.intervals import MICROSECONDS
from trainingday.markets.quality import Finding
from trainingday.typing import FloatArray, JSONDict

DEFAULT_LIMITS = ImportLimits()
DEFAULT_OPTIONS = ImportOptions()
PREVIEW_ROWS = 10
STATED_UTC = ("utc", "gmt")


@dataclass(frozen=True)
class Imported:
    """A file as bars, with `detected` (which carries the warnings), set-aside rows and the first rows as text."""

    bars: Bars
    detected: Detected
    quarantined: tuple[JSONDict, ...] = ()
    n_quarantined: int = 0
    first_rows: tuple[tuple[str, ...], ...] = ()

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return self.detected.warnings


@dataclass(frozen=True)
class Preview:
    """What an import would do: the detection and first bars, or the refusal; raw rows in either case."""

    detected: Detected | None
    problem: ImportRefused | None
    header: tuple[str, ...] = ()
    raw_rows: tuple[tuple[str, ...], ...] = ()
    bars: Bars | None = None
    quarantined: tuple[JSONDict, ...] = field(default=())


def read_file(
    data: bytes,
    filename: str,
    options: ImportOptions = DEFAULT_OPTIONS,
    limits: ImportLimits = DEFAULT_LIMITS,
    *,
    now_us: int | None = None,
) -> Imported:
    """Return the bars of a market data file.

    Parameters
    ----------
    data : bytes
        The file: CSV-like text, JSON, Parquet or Feather, plain, gzipped or alone in a zip.
    filename : str
        Its plain name; only the extension is believed, and that only together with the content.
    options : ImportOptions
        What the user has corrected.
    limits : ImportLimits
        Refused above these.
    now_us : int or None
        The present in microseconds UTC; times more than a day later are refused.

    Raises
    ------
    ImportRefused
        With status, stable code and, where one is to blame, the row (data rows count from 1).
    """
    table = read_table(data, filename, options, limits)
    return _import(table, options, now_us)


def read_table(
    data: bytes,
    filename: str,
    options: ImportOptions = DEFAULT_OPTIONS,
    limits: ImportLimits = DEFAULT_LIMITS,
) -> Table:
    """Return the file's cells, before any of them is given a meaning."""
    payload = framing.unwrap(data, filename, limits)
    if payload.kind == framing.PARQUET:
        return read_parquet_table(payload.data, limits)
    if payload.kind == framing.FEATHER:
        return read_feather_table(payload.data, limits)
    if payload.kind == framing.JSON:
        return read_json_table(payload.data, limits)
    return read_text_table(payload.data, options, limits)


def preview(
    data: bytes,
    filename: str,
    options: ImportOptions = DEFAULT_OPTIONS,
    limits: ImportLimits = DEFAULT_LIMITS,
) -> Preview:
    """Return what an import would detect, without storing anything; refusals are returned, not raised."""
    table: Table | None = None
    try:
        table = read_table(data, filename, options, limits)
        imported = _import(table, options, None)
    except ImportRefused as problem:
        return Preview(None, problem, _header(table), _first_rows(table))
    return Preview(
        imported.detected,
        None,
        _header(table),
        imported.first_rows,
        imported.bars[:PREVIEW_ROWS],
        imported.quarantined,
    )


def _import(table: Table, options: ImportOptions, now_us: int | None) -> Imported:
    try:
        plan = plan_columns(table, options)
    except ImportRefused as refusal:
        raise as_mismatch(options.expected, refusal) from refusal
    now_us = int(time.time() * MICROSECONDS) if now_us is None else now_us
    table, skipped = _without_empty_rows(table, plan)
    faults = RowFaults(table.n_rows, _text_of(table, plan), table.row_numbers)
    stamps = parse_stamps(
        _time_column(table, plan), faults, options, stated_zone=_stated_zone(table, plan), now_us=now_us
    )
    contradictions = find_contradictions(table, plan, stamps.micros, faults.good)
    prices, adjusted, noted = read_prices(table, plan, faults, options)
    volume = read_volume(table, plan, prices, faults, options)
    if not options.quarantine:
        faults.refuse_first()
    mark_stray_times(stamps.micros, faults)
    columns = [*prices.values(), volume.values]
    series = arrange(stamps.micros, columns, faults, options, stamps.moves_with_dst)
    n_bad = _settle(table, faults, options)
    bars = _bars(stamps, prices, volume, series, plan, options)
    findings = (
        *stamps.findings,
        *contradictions,
        *series.findings,
        *volume.findings,
        *noted,
        *skipped,
        *_layout_findings(table, plan),
    )
    if n_bad:
        findings += (Finding("rows_quarantined", f"{n_bad:,} bad rows were set aside", n_bad),)
    detected = _detected(table, plan, stamps, series, volume, adjusted, options, findings, len(bars))
    if options.expected is not None:
        check_layout(options.expected, detected)
    ragged = [
        {"row": row + 1, "code": "field_count", "found": clean_label(text)}
        for row, text in table.ragged[:200]
    ]
    return Imported(bars, detected, tuple(faults.listed() + ragged), n_bad, _first_rows(table))


def _without_empty_rows(table: Table, plan: ColumnPlan) -> tuple[Table, tuple[Finding, ...]]:
    """Return a wide table without the rows in which the chosen market has no bar at all."""
    if not plan.is_group or table.kind != "text":
        return table, ()
    chosen = [*plan.prices.values(), *(column for column, _ in plan.volumes)]
    is_empty = np.ones(table.n_rows, dtype=np.bool_)
    for column in chosen:
        is_empty &= pc.equal(table.columns[column], "").to_numpy()
    n_empty = int(is_empty.sum())
    if n_empty == 0:
        return table, ()
    numbers = np.arange(table.n_rows) if table.row_numbers is None else table.row_numbers
    kept = tuple(column.filter(~is_empty) for column in table.columns)
    finding = Finding("empty_bars_skipped", f"{n_empty:,} rows hold no bar of this market", n_empty)
    return (
        Table(
            table.kind, table.names, kept, table.delimiter, table.preamble, table.ragged, numbers[~is_empty]
        ),
        (finding,),
    )


def _time_column(table: Table, plan: ColumnPlan) -> Any:
    if plan.clock is None:
        return table.columns[plan.time]
    return pc.binary_join_element_wise(table.columns[plan.time], table.columns[plan.clock], " ")


def _stated_zone(table: Table, plan: ColumnPlan) -> str | None:
    """Return "UTC" where the time column's name or a comment line says so."""
    name = table.label(plan.time).lower()
    words = name.replace("_", " ").replace("(", " ").replace(")", " ").split()
    stated = any(word in STATED_UTC for word in words)
    return "UTC" if stated or any("utc" in line.lower() for line in table.preamble) else None


def _text_of(table: Table, plan: ColumnPlan) -> Callable[[int, str], str]:
    by_label = {table.label(index): index for index in range(len(table.columns))}
    roles = {"time": plan.time, **plan.prices}

    def text(row: int, column: str) -> str:
        index = roles.get(column, by_label.get(column, plan.time))
        return _shown(table.columns[index][row])

    return text


def _settle(table: Table, faults: RowFaults, options: ImportOptions) -> int:
    """Return how many rows are set aside, or refuse."""
    if not options.quarantine:
        faults.refuse_first()
    n_bad = int(np.count_nonzero(faults.codes)) + len(table.ragged)
    if n_bad:
        refuse_many(n_bad, table.n_rows + len(table.ragged))
    return n_bad


def _bars(
    stamps: Stamps,
    prices: dict[str, FloatArray],
    volume: Volume,
    series: Series,
    plan: ColumnPlan,
    options: ImportOptions,
) -> Bars:
    rows: Any = series.rows
    if rows.size == stamps.micros.size and series.order == "ascending":
        rows = slice(None)  # every row is used as it stands: no copies
    micros = stamps.micros[rows]
    if options.stamp == "close" or plan.close_time:
        micros = micros - series.interval * MICROSECONDS
    open_, high, low, close = (prices[name][rows] for name in ("open", "high", "low", "close"))
    if series.rows.size < 2:
        raise ImportRefused(
            "too_few_rows", f"a market needs at least 2 bars, the file has {series.rows.size}"
        )
    if all(bool(np.all(column == open_[0])) for column in (open_, high, low, close)):
        raise ImportRefused("constant_price", f"every price in the file is {open_[0]:g}")
    return Bars.create(micros, open_, high, low, close, volume.values[rows])


def _layout_findings(table: Table, plan: ColumnPlan) -> tuple[Finding, ...]:
    findings = []
    if table.kind == "text" and table.names is None:
        findings.append(
            Finding("no_header", "the file has no header; columns were recognised by their content")
        )
    if plan.decimal_comma:
        findings.append(Finding("decimal_comma", "numbers are written with a decimal comma"))
    return tuple(findings)


def _detected(
    table: Table,
    plan: ColumnPlan,
    stamps: Stamps,
    series: Series,
    volume: Volume,
    adjusted: str,
    options: ImportOptions,
    findings: tuple[Finding, ...],
    n_rows: int,
) -> Detected:
    return Detected(
        kind=table.kind,
        columns=plan.labels(table),
        has_header=table.names is not None,
        delimiter=table.delimiter,
        decimal="," if plan.decimal_comma else ".",
        time_format=stamps.time_format,
        time_unit=stamps.unit,
        zone=stamps.zone,
        stamp="close" if options.stamp == "close" or plan.close_time else "open",
        order=series.order,
        interval=series.interval,
        volume_unit=volume.unit,
        adjusted=adjusted,
        n_rows=n_rows,
        warnings=findings,
    )


def _header(table: Table | None) -> tuple[str, ...]:
    if table is None:
        return ()
    return tuple(table.label(index) for index in range(len(table.columns)))


def _first_rows(table: Table | None) -> tuple[tuple[str, ...], ...]:
    if table is None:
        return ()
    heads = [column.slice(0, PREVIEW_ROWS) for column in table.columns]
    return tuple(tuple(_shown(cell)[:60] for cell in row) for row in zip(*heads, strict=True))


def _shown(cell: Any) -> str:
    """Return a cell as text; a typed time may lie beyond Python's calendar or in a zone nobody knows."""
    try:
        return str(cell.as_py())
    except (OverflowError, ValueError, KeyError):
        return f"{cell.type} {cell.value}"
