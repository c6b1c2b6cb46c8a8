"""Times: one format per column, epoch units by size, zones stated or assumed, nothing guessed."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainingday.exceptions import ImportRefused, InvalidArgument
from trainingday.markets.importers.faults import RowFaults
from trainingday.markets.importers.fixed import FixedTimes, parse_fixed
from trainingday.markets.importers.formats import (
    FAMILIES,
    SECOND_US,
    Family,
    day_month_parts,
    matches,
    parse_family,
)
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.importers.values import is_text
from trainingday.markets.quality import Finding
from trainingday.typing import BoolArray, FloatArray, IntArray

DAY_US = 86_400 * SECOND_US
LATEST_US = 253_402_300_800 * SECOND_US  # year 10000
EARLIEST_US = -5_364_662_400 * SECOND_US  # year 1800
# An epoch number's size gives its unit: seconds until the year 5138, milliseconds until then, and so on.
UNITS = (("s", 0.0, 1e6), ("ms", 1e11, 1e3), ("us", 1e14, 1.0), ("ns", 1e17, 1e-3))
MIDNIGHT_MS = 86_400_000
EPOCH_DIGITS = (9, 10, 11, 12, 13, 16, 19)  # 8 and 14 digits may be dates


@dataclass(frozen=True)
class Stamps:
    """Times as microseconds UTC, and how they were read; faulty rows hold 0."""

    micros: IntArray
    time_format: str
    unit: str | None
    zone: str
    moves_with_dst: bool
    findings: tuple[Finding, ...] = ()


def parse_stamps(
    column: pa.ChunkedArray,
    faults: RowFaults,
    options: ImportOptions,
    *,
    stated_zone: str | None,
    now_us: int,
) -> Stamps:
    """Return the column's times; marks faulty rows.

    Raises
    ------
    ImportRefused
        `ambiguous_date_order`, `ambiguous_zone`, `ambiguous_local_time`, `date_missing` or `column_type`
        where the whole column cannot be read without being told more.
    """
    stamps = (
        _parse_text(column, faults, options) if is_text(column) else _parse_typed(column, faults, options)
    )
    if stamps.zone == "naive":
        stamps = _place(stamps, faults, options, stated_zone)
    micros = stamps.micros
    faults.mark((micros >= LATEST_US) | (micros < EARLIEST_US), "bad_timestamp")
    faults.mark(micros > now_us + DAY_US, "timestamp_in_future")
    return stamps


def _parse_text(column: pa.ChunkedArray, faults: RowFaults, options: ImportOptions) -> Stamps:
    quick = _parse_quickly(column, options)
    if quick is not None:
        return quick
    column = pc.utf8_trim(column, " \t")
    fixed = parse_fixed(column)
    if fixed is not None:
        day_first = _day_first(column, fixed.family, options, fixed) if fixed.has_numeric_date else None
        return _from_wall(fixed.family, *fixed.moments(day_first), faults, day_first)
    family, is_member = _choose_family(column, faults)
    if family.has_named_zone:
        raise ImportRefused(
            "ambiguous_zone",
            "zone abbreviations such as CET or EST name several offsets; write offsets such as +01:00",
        )
    if family.is_epoch:
        numbers = pc.cast(pc.if_else(pa.array(is_member), column, pa.scalar("0")), pa.float64()).to_numpy()
        return _from_epoch(np.asarray(numbers), is_member, options)
    day_first = _day_first(column, family, options) if family.has_numeric_date else None
    return _from_wall(family, *parse_family(column, family, day_first), faults, day_first)


def _from_wall(
    family: Family,
    wall: IntArray,
    is_valid: BoolArray,
    offset: IntArray,
    faults: RowFaults,
    day_first: bool | None,
) -> Stamps:
    faults.mark(~is_valid, "bad_timestamp")
    micros = np.where(is_valid, wall - offset, 0)
    moves = bool(family.is_zoned and np.unique(offset[is_valid]).size > 1)
    name = family.name
    if day_first is not None:
        name = "day/month/year" if day_first else "month/day/year"
    return Stamps(micros, name, None, "offset in the file" if family.is_zoned else "naive", moves)


def _parse_quickly(column: pa.ChunkedArray, options: ImportOptions) -> Stamps | None:
    """Return columns of ISO 8601 or of whole epoch numbers through Arrow's strict parsers, None for others."""
    first = column[0].as_py() if len(column) else ""
    if first.isascii() and first.isdigit() and len(first) in EPOCH_DIGITS:
        try:
            numbers = pc.cast(column, pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            return None
        # smaller numbers may be dates such as 20240131
        if numbers.min() < 10 ** (min(EPOCH_DIGITS) - 1):
            return None
        return _from_epoch(numbers.astype(np.float64), np.ones(numbers.shape, dtype=np.bool_), options)
    if len(first) < 8 or first[4:5] != "-":
        return None
    try:
        micros = pc.cast(pc.cast(column, pa.timestamp("us", "UTC")), pa.int64()).to_numpy()
        tails = pc.unique(pc.utf8_slice_codeunits(column, -6, None))
        offsets = {tail for tail in tails.to_pylist() if tail[0] in "+-"} if len(tails) < 1000 else set()
        return Stamps(np.asarray(micros), "ISO 8601", None, "offset in the file", len(offsets) > 1)
    except pa.ArrowInvalid:
        pass
    try:
        micros = pc.cast(pc.cast(column, pa.timestamp("us")), pa.int64()).to_numpy()
        return Stamps(np.asarray(micros), "ISO 8601", None, "naive", False)
    except pa.ArrowInvalid:
        return None


def _choose_family(column: pa.ChunkedArray, faults: RowFaults) -> tuple[Family, np.ndarray]:
    """Return the format of most rows and which rows have it; rows of another are marked."""
    found: list[tuple[Family, np.ndarray]] = []
    for family in FAMILIES:
        mask = matches(column, family)
        found.append((family, mask))
        if mask.all():
            break
    family, is_member = max(found, key=lambda pair: int(pair[1].sum()))
    if not is_member.any():
        faults.mark(~is_member, "bad_timestamp")
        faults.refuse_first()
    for other, mask in found:
        if other is not family:
            faults.mark(mask & ~is_member, "mixed_timestamp_formats")
    faults.mark(~is_member, "bad_timestamp")
    return family, is_member


def _day_first(
    column: pa.ChunkedArray, family: Family, options: ImportOptions, fixed: FixedTimes | None = None
) -> bool:
    if options.day_first is not None:
        return options.day_first
    first, second = fixed.day_month() if fixed is not None else day_month_parts(column, family)
    n_day_first, n_month_first = int((first > 12).sum()), int((second > 12).sum())
    if n_day_first == n_month_first:
        raise ImportRefused(
            "ambiguous_date_order",
            f"dates such as {column[0].as_py()[:10]} may be day/month or month/day; say which",
        )
    return n_day_first > n_month_first


def _parse_typed(column: pa.ChunkedArray, faults: RowFaults, options: ImportOptions) -> Stamps:
    kind = column.type
    is_null = pc.is_null(column).to_numpy()
    faults.mark(is_null, "missing_value")
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zoned = pa.types.is_timestamp(kind) and kind.tz is not None
        unit = pa.timestamp("us", kind.tz) if zoned else pa.timestamp("us")
        micros = pc.cast(pc.cast(column, unit, safe=False), pa.int64()).fill_null(0).to_numpy()
        return Stamps(np.asarray(micros), str(kind), None, "offset in the file" if zoned else "naive", False)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = pc.cast(column, pa.float64(), safe=False).fill_null(0).to_numpy()
        is_finite = np.isfinite(numbers)
        faults.mark(~is_finite, "bad_timestamp")
        return _from_epoch(np.where(is_finite, numbers, 0.0), is_finite, options)
    raise ImportRefused("column_type", f"the time column should hold times, holds {str(kind)[:60]}")


def _from_epoch(numbers: FloatArray, is_member: np.ndarray, options: ImportOptions) -> Stamps:
    """Return epoch numbers as microseconds, each by the unit of its size unless one is given."""
    largest = float(np.abs(numbers[is_member]).max(initial=0.0))
    if largest < MIDNIGHT_MS and numbers.size > 1:
        return _from_midnight(numbers, largest, options)
    micros = np.zeros(numbers.shape[0], dtype=np.int64)
    micros[is_member], counts = by_size(numbers[is_member], options.time_unit)
    used = [f"{unit} ({count:,} rows)" for unit, count in counts.items()]
    findings: tuple[Finding, ...] = ()
    if len(used) > 1:
        findings = (
            Finding(
                "mixed_epoch_units", f"epoch times in several units: {', '.join(used)}; each was converted"
            ),
        )
    units = "+".join(text.split(" ")[0] for text in used)
    return Stamps(micros, "epoch", units, "UTC (epoch)", False, findings)


def by_size(numbers: FloatArray, given: str | None = None) -> tuple[IntArray, dict[str, int]]:
    """Return epoch numbers as microseconds, each by the unit of its size or all by the given one.

    Second comes how many rows each unit had.
    """
    micros = np.zeros(numbers.shape[0], dtype=np.int64)
    counts: dict[str, int] = {}
    sizes = np.abs(numbers)
    for index, (unit, low, factor) in enumerate(UNITS):
        high = UNITS[index + 1][1] if index + 1 < len(UNITS) else np.inf
        if given is not None:
            low, high = (0.0, np.inf) if unit == given else (np.inf, np.inf)
        rows = (sizes >= low) & (sizes < high)
        if rows.any():
            micros[rows] = np.rint(np.clip(numbers[rows] * factor, -9e18, 9e18)).astype(np.int64)
            counts[unit] = int(rows.sum())
    return micros, counts


def _from_midnight(numbers: FloatArray, largest: float, options: ImportOptions) -> Stamps:
    if options.on_date is None:
        raise ImportRefused(
            "date_missing",
            "times count from midnight and the file does not say of which day; give the date",
        )
    unit = options.time_unit or ("ms" if largest >= 86_400 else "s")
    factor = next(factor for name, _, factor in UNITS if name == unit)
    midnight = np.datetime64(options.on_date, "us").astype(np.int64)
    micros = midnight + np.rint(numbers * factor).astype(np.int64)
    return Stamps(micros, "since midnight", unit, "naive", False)


def _place(stamps: Stamps, faults: RowFaults, options: ImportOptions, stated_zone: str | None) -> Stamps:
    """Return naive stamps in UTC: in the zone that was given, stated in the file, or assumed."""
    zone = options.zone or stated_zone
    if zone is None:
        finding = Finding("assumed_utc", "times carry no offset; they were read as UTC")
        findings = (*stamps.findings, finding)
        return Stamps(stamps.micros, stamps.time_format, stamps.unit, "UTC (assumed)", False, findings)
    if zone.upper() in {"UTC", "GMT"}:
        label = "UTC (given)" if options.zone else "UTC (stated in the file)"
        return Stamps(stamps.micros, stamps.time_format, stamps.unit, label, False, stamps.findings)
    micros = _localise(stamps.micros, zone, faults, options.quarantine)
    return Stamps(micros, stamps.time_format, stamps.unit, f"{zone} (given)", True, stamps.findings)


def _localise(wall: IntArray, zone: str, faults: RowFaults, is_quarantine: bool) -> IntArray:
    """Return wall-clock times of a zone in UTC; times that a clock change skips or repeats are faults."""
    if zone not in zoneinfo.available_timezones():
        raise InvalidArgument(f"zone should be an IANA name such as America/New_York, is {zone[:40]!r}")
    import pandas as pd  # loaded late: web processes that import no file never pay for it

    # what lies beyond the calendar is no time in any zone
    is_beyond = (wall < EARLIEST_US) | (wall > LATEST_US - DAY_US)
    faults.mark(is_beyond, "bad_timestamp")
    index = pd.DatetimeIndex(np.where(is_beyond, 0, wall).astype("datetime64[us]"))
    local = index.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    lost = np.asarray(local.isna()) & ~is_beyond
    faults.mark(lost, "ambiguous_local_time")
    if lost.any() and not is_quarantine:
        row = int(np.flatnonzero(lost)[0])
        raise ImportRefused(
            "ambiguous_local_time",
            f"row {faults.number(row)}: {index[row]} happens twice or never in {zone} (clock change)",
            row=faults.number(row),
        )
    micros = np.asarray(local.tz_convert("UTC").tz_localize(None).as_unit("us").asi8)
    return np.where(lost | is_beyond, 0, micros)
