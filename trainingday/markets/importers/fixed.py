"""Times of one fixed width, such as 31.01.2024 23:59:00.000, read from their bytes without a regex per row."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from trainingday.markets.importers.formats import FAMILIES, SECOND_US, Family, moments
from trainingday.typing import BoolArray, IntArray

MIN_ROWS = 1000  # fewer are quick anyway
ZERO, NINE = ord("0"), ord("9")


@dataclass(frozen=True)
class FixedTimes:
    """A column whose rows differ in digits only: the bytes, shape (n_rows, width), and where each part is."""

    family: Family
    cells: np.ndarray
    spans: dict[str, tuple[int, int]]
    offset_sign: int

    @property
    def has_numeric_date(self) -> bool:
        return self.family.has_numeric_date

    def day_month(self) -> tuple[IntArray, IntArray]:
        return self._number("a"), self._number("b")

    def moments(self, day_first: bool | None) -> tuple[IntArray, BoolArray, IntArray]:
        """Return (wall-clock microseconds, is valid, offset in microseconds), each of shape (n_rows,)."""
        month, day = ("b", "a") if day_first else ("a", "b")
        if not self.has_numeric_date:
            month, day = "mo", "d"
        digits = self.spans.get("f", (0, 0))
        micros = (
            self._number("f")
            * 10 ** max(6 - (digits[1] - digits[0]), 0)
            // 10 ** max(digits[1] - digits[0] - 6, 0)
        )
        date = self._number("y"), self._number(month), self._number(day)
        wall, is_valid = moments(*date, self._number("h"), self._number("mi"), self._number("s"), micros)
        offset_hours, offset_minutes = self._number("oh"), self._number("om")
        is_valid &= (offset_hours <= 14) & (offset_minutes <= 59)
        return wall, is_valid, self.offset_sign * (offset_hours * 60 + offset_minutes) * 60 * SECOND_US

    def _number(self, name: str) -> IntArray:
        start, end = self.spans.get(name, (0, 0))
        value = np.zeros(self.cells.shape[0], dtype=np.int64)
        for place in range(start, end):
            value = value * 10 + (self.cells[:, place] - ZERO)
        return value


def parse_fixed(column: pa.ChunkedArray) -> FixedTimes | None:
    """Return a column of fixed-width times, None for any other."""
    if len(column) < MIN_ROWS:
        return None
    first = column[0].as_py()
    family = next((family for family in FAMILIES if re.match(family.pattern, first, re.ASCII)), None)
    if family is None or family.is_epoch or family.has_named_zone or "(?P<mon>" in family.pattern:
        return None
    cells = _bytes(column, len(first.encode()))
    match = re.match(family.pattern, first, re.ASCII)
    if cells is None or match is None or match.groupdict().get("ap"):
        return None
    is_digit = np.array([character.isdigit() for character in first])
    separators = np.frombuffer(first.encode(), dtype=np.uint8)[~is_digit]
    if not (cells[:, ~is_digit] == separators).all():
        return None
    digits = cells[:, is_digit]
    if digits.min() < ZERO or digits.max() > NINE:
        return None
    spans = {name: match.span(name) for name, text in match.groupdict().items() if text and text.isdigit()}
    return FixedTimes(family, cells, spans, -1 if match.groupdict().get("os") == "-" else 1)


def _bytes(column: pa.ChunkedArray, width: int) -> np.ndarray | None:
    """Return the text as bytes, shape (n_rows, width), None unless every row is that long."""
    parts = []
    for chunk in column.chunks:
        if len(chunk) == 0:
            continue
        _, offsets_buffer, data = chunk.buffers()
        offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        if not (np.diff(offsets) == width).all():
            return None
        text = np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]]
        parts.append(text.reshape(len(chunk), width))
    return np.concatenate(parts)
