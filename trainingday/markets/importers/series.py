"""From rows to a series: order, duplicates, the interval and its grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.faults import RowFaults
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.intervals import DAY, HOUR, INTERVAL_NAMES, MICROSECONDS, interval_name
from trainingday.markets.quality import Finding
from trainingday.typing import BoolArray, FloatArray, IntArray

FAR_US = 366 * DAY * MICROSECONDS
STRAY_SHARE = 0.01  # of the rows, at most, may be called stray
MIN_ROWS = 2


@dataclass(frozen=True)
class Series:
    """Rows of the file in time order, one per time (indices into the file's rows), and what they showed."""

    rows: IntArray
    order: str
    interval: int
    findings: tuple[Finding, ...]


def mark_stray_times(micros: IntArray, faults: RowFaults) -> None:
    """Mark the few rows that lie more than a year before or after all others."""
    rows = np.flatnonzero(faults.good)
    if rows.size < 3:
        return
    rows = rows[np.argsort(micros[rows], kind="stable")]
    far = np.flatnonzero(np.diff(micros[rows]) > FAR_US)
    few = max(1, int(STRAY_SHARE * rows.size))
    if far.size and far[0] + 1 <= few:
        faults.mark_rows(rows[: far[0] + 1], "timestamp_out_of_line")
    if far.size and rows.size - far[-1] - 1 <= few:
        faults.mark_rows(rows[far[-1] + 1 :], "timestamp_out_of_line")


def find_order(micros: IntArray) -> str:
    """Return "ascending", "descending" or "unsorted"; equal neighbours fit either way."""
    steps = np.diff(micros)
    if (steps >= 0).all():
        return "ascending"
    return "descending" if (steps <= 0).all() else "unsorted"


def arrange(
    micros: IntArray,
    columns: list[FloatArray],
    faults: RowFaults,
    options: ImportOptions,
    moves_with_dst: bool,
) -> Series:
    """Return the good rows in time order without duplicates; marks conflicts and off-grid times.

    Raises
    ------
    ImportRefused
        `too_few_rows`, `unknown_interval` or `interval_mismatch`.
    """
    rows = np.flatnonzero(faults.good)
    if rows.size < MIN_ROWS:
        raise ImportRefused(
            "too_few_rows", f"a market needs at least {MIN_ROWS} bars, the file has {rows.size}"
        )
    order = find_order(micros[rows])
    findings = []
    if order != "ascending":
        how = "newest first" if order == "descending" else "not in time order"
        findings.append(Finding("reordered", f"rows were {how}; they were sorted by time"))
    rows = rows[np.argsort(micros[rows], kind="stable")]
    rows, found = _drop_duplicates(rows, micros, columns, faults, options)
    findings += found
    if rows.size < MIN_ROWS:
        raise ImportRefused(
            "too_few_rows", f"a market needs at least {MIN_ROWS} bars, the file has {rows.size}"
        )
    interval = _find_interval(micros[rows], options)
    off_grid = _off_grid(micros[rows], interval, moves_with_dst)
    faults.mark_rows(rows[off_grid], "off_grid_timestamp")
    return Series(rows[~off_grid], order, interval, tuple(findings))


def _drop_duplicates(
    rows: IntArray, micros: IntArray, columns: list[FloatArray], faults: RowFaults, options: ImportOptions
) -> tuple[IntArray, list[Finding]]:
    """Return rows with one per time; equal copies go, different ones need the user's rule."""
    same_time = np.diff(micros[rows]) == 0
    if not same_time.any():
        return rows, []
    findings = []
    # within one time, file order puts equal copies side by side only after sorting by content
    content = np.lexsort([column[rows] for column in reversed(columns)] + [micros[rows]])
    ordered = rows[content]
    equal = np.diff(micros[ordered]) == 0
    for column in columns:
        equal &= np.diff(column[ordered]) == 0
    if equal.any():
        copies = ordered[np.concatenate(([False], equal))]
        findings.append(
            Finding(
                "exact_duplicates_dropped", f"{copies.size:,} exact copies of rows were dropped", copies.size
            )
        )
        rows = rows[~np.isin(rows, copies)]
        same_time = np.diff(micros[rows]) == 0
    if same_time.any():
        if options.keep is None:
            faults.mark_rows(rows[np.concatenate(([False], same_time))], "conflicting_duplicates")
            return rows[~np.concatenate(([False], same_time))], findings
        drop = np.concatenate(([False], same_time) if options.keep == "first" else (same_time, [False]))
        findings.append(
            Finding(
                "duplicates_resolved",
                f"{int(drop.sum()):,} rows had the time of a different row; the {options.keep} in the file was kept",
                int(drop.sum()),
            )
        )
        rows = rows[~drop]
    return rows, findings


def _find_interval(micros: IntArray, options: ImportOptions) -> int:
    """Return the most frequent step in seconds."""
    steps, counts = np.unique(np.diff(micros), return_counts=True)
    step = int(steps[counts.argmax()])
    seconds = step // MICROSECONDS
    if step % MICROSECONDS or seconds not in INTERVAL_NAMES:
        raise ImportRefused(
            "unknown_interval",
            f"most bars are {step / MICROSECONDS:,.6g} s apart; supported are {', '.join(INTERVAL_NAMES.values())}",
        )
    if options.interval is not None and options.interval != seconds:
        raise ImportRefused(
            "interval_mismatch",
            f"the bars should be {interval_name(options.interval)} apart, are {interval_name(seconds)} apart",
        )
    return seconds


def _off_grid(micros: IntArray, interval: int, moves_with_dst: bool) -> BoolArray:
    """Return which times leave the grid of most times; long bars may shift by the hour of a clock change."""
    step = interval * MICROSECONDS
    phases, counts = np.unique(micros % step, return_counts=True)
    distance = np.abs(micros % step - phases[counts.argmax()])
    distance = np.minimum(distance, step - distance)
    may_shift = interval >= DAY or (moves_with_dst and interval >= 4 * HOUR)
    return np.asarray(distance > (HOUR * MICROSECONDS if may_shift else 0))
