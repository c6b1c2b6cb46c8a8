"""The ways in which dates are written, as regular expressions with named parts, and their arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainingday.typing import BoolArray, IntArray

TIME = (
    r"(?:[T ]+(?P<h>[0-9]{1,2})(?::(?P<mi>[0-9]{2})(?::(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?)?"
    r"(?:[ -]?(?P<ap>[AaPp][Mm]))?)?"
)
OFFSET = r" ?(?:(?P<z>Z|z|UTC|GMT)|(?P<os>[+-])(?P<oh>[0-9]{2}):?(?P<om>[0-9]{2})?)"
COMPACT_TIME = r"(?:[ T]?(?P<h>[0-9]{2}):?(?P<mi>[0-9]{2})(?::?(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?)?"
YMD = r"(?P<y>[0-9]{4})[-/.](?P<mo>[0-9]{1,2})[-/.](?P<d>[0-9]{1,2})"
COMPACT_YMD = r"(?P<y>(?:1[89]|2[01])[0-9]{2})(?P<mo>[0-9]{2})(?P<d>[0-9]{2})"
NUMERIC = r"(?P<a>[0-9]{1,2})[-/.](?P<b>[0-9]{1,2})[-/.](?P<y>[0-9]{4})"
DAY_MONTH = r"(?P<d>[0-9]{1,2})[ -](?P<mon>[A-Za-z]{3,9})[ -](?P<y>[0-9]{4})"
MONTH_DAY = r"(?P<mon>[A-Za-z]{3,9})\.? (?P<d>[0-9]{1,2}),? (?P<y>[0-9]{4})"
EPOCH = r"^-?[0-9]{1,20}(?:\.[0-9]*)?(?:[eE]\+?[0-9]{1,2})?$"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

SECOND_US = 1_000_000
EARLIEST_YEAR, LATEST_YEAR = 1800, 9999


@dataclass(frozen=True)
class Family:
    """One way to write a time; stamps of two families in one column are refused."""

    name: str
    pattern: str
    is_zoned: bool = False
    is_epoch: bool = False
    has_named_zone: bool = False

    @property
    def has_numeric_date(self) -> bool:
        return "(?P<a>" in self.pattern


FAMILIES = (
    Family("year-month-day with offset", f"^{YMD}{TIME}{OFFSET}$", is_zoned=True),
    Family("year-month-day", f"^{YMD}{TIME}$"),
    Family("YYYYMMDD with offset", f"^{COMPACT_YMD}{COMPACT_TIME}{OFFSET}$", is_zoned=True),
    Family("YYYYMMDD", f"^{COMPACT_YMD}{COMPACT_TIME}$"),
    Family("day and month with offset", f"^{NUMERIC}{TIME}{OFFSET}$", is_zoned=True),
    Family("day and month", f"^{NUMERIC}{TIME}$"),
    Family("day month-name year", f"^{DAY_MONTH}{TIME}$"),
    Family("month-name day year", f"^{MONTH_DAY}{TIME}$"),
    Family("time with a zone abbreviation", f"^{YMD}{TIME} ?[A-Z]{{2,5}}$", has_named_zone=True),
    Family("epoch", EPOCH, is_epoch=True),
)


def matches(column: pa.ChunkedArray, family: Family) -> BoolArray:
    return np.asarray(pc.match_substring_regex(column, family.pattern).to_numpy())


def parse_family(
    column: pa.ChunkedArray, family: Family, day_first: bool | None
) -> tuple[IntArray, BoolArray, IntArray]:
    """Return (wall-clock microseconds, is valid, offset in microseconds), each of shape (n_rows,).

    Rows that do not match the family's pattern are invalid. `day_first` orders numeric dates.
    """
    parts = pc.extract_regex(column, family.pattern)
    struct = parts.combine_chunks() if isinstance(parts, pa.ChunkedArray) else parts
    names = {struct.type.field(index).name for index in range(struct.type.num_fields)}
    is_row = ~np.asarray(pc.is_null(struct).to_numpy(zero_copy_only=False))

    def number(name: str) -> IntArray:
        if name not in names:
            return np.zeros(len(struct), dtype=np.int64)
        return _integers(struct.field(name))

    year = number("y")
    if "mon" in names:
        month, day = _months(struct.field("mon")), number("d")
    elif "a" in names:
        month, day = (number("b"), number("a")) if day_first else (number("a"), number("b"))
    else:
        month, day = number("mo"), number("d")
    hour = number("h")
    is_valid = is_row.copy()
    if "ap" in names:
        hour, clock_ok = _twelve_hours(hour, struct.field("ap"))
        is_valid &= clock_ok
    minute, second = number("mi"), number("s")
    micros = _fraction(struct.field("f")) if "f" in names else np.zeros(len(struct), dtype=np.int64)
    wall, clock_ok = moments(year, month, day, hour, minute, second, micros)
    is_valid &= clock_ok
    offset = np.zeros(len(struct), dtype=np.int64)
    if "oh" in names:
        sign = np.where(
            pc.equal(pc.fill_null(struct.field("os"), "+"), "-").to_numpy(zero_copy_only=False), -1, 1
        )
        offset = sign * (number("oh") * 60 + number("om")) * 60 * SECOND_US
        is_valid &= (number("oh") <= 14) & (number("om") <= 59)
    return wall, is_valid, offset


def moments(
    year: IntArray,
    month: IntArray,
    day: IntArray,
    hour: IntArray,
    minute: IntArray,
    second: IntArray,
    micros: IntArray,
) -> tuple[IntArray, BoolArray]:
    """Return wall-clock microseconds since 1970 and which dates and times exist."""
    days, is_valid = _days_from_civil(year, month, day)
    is_valid &= (hour <= 23) & (minute <= 59) & (second <= 59)
    return ((days * 24 + hour) * 60 + minute) * 60 * SECOND_US + second * SECOND_US + micros, is_valid


def day_month_parts(column: pa.ChunkedArray, family: Family) -> tuple[IntArray, IntArray]:
    """Return the first and second number of numeric dates, 0 where a row is no such date."""
    parts = pc.extract_regex(column, family.pattern)
    struct = parts.combine_chunks() if isinstance(parts, pa.ChunkedArray) else parts
    return _integers(struct.field("a")), _integers(struct.field("b"))


def _integers(texts: pa.Array) -> IntArray:
    """Return digits as integers, 0 where a row has none: optional parts, rows that do not match."""
    texts = pc.fill_null(texts, "")
    return np.asarray(pc.cast(pc.if_else(pc.equal(texts, ""), "0", texts), pa.int64()).to_numpy())


def _months(names: pa.Array) -> IntArray:
    short = pc.utf8_lower(pc.utf8_slice_codeunits(pc.fill_null(names, ""), 0, 3))
    found = pc.index_in(short, value_set=pa.array(MONTHS))
    return np.asarray(pc.fill_null(found, -1).to_numpy()).astype(np.int64) + 1


def _twelve_hours(hour: IntArray, marks: pa.Array) -> tuple[IntArray, BoolArray]:
    """Return 24-hour hours, and which hours were valid: 1..12 where a row says AM or PM."""
    lower = pc.utf8_lower(pc.fill_null(marks, ""))
    is_am = pc.equal(lower, "am").to_numpy(zero_copy_only=False)
    is_pm = pc.equal(lower, "pm").to_numpy(zero_copy_only=False)
    is_valid = ~(is_am | is_pm) | ((hour >= 1) & (hour <= 12))
    hour = np.where((is_am | is_pm) & (hour == 12), 0, hour)
    return np.where(is_pm, hour + 12, hour), is_valid


def _fraction(digits: pa.Array) -> IntArray:
    padded = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.fill_null(digits, ""), 6, "0"), 0, 6)
    return np.asarray(pc.cast(padded, pa.int64()).to_numpy())


def _days_from_civil(year: IntArray, month: IntArray, day: IntArray) -> tuple[IntArray, BoolArray]:
    """Return days since 1970-01-01 and which dates exist."""
    possible = (year >= EARLIEST_YEAR) & (year <= LATEST_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)
    year, month = np.where(possible, year, 1970), np.where(possible, month, 1)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    return first + day - 1, possible & (day <= length)
