"""Bad rows: one code and sentence each, the first fault of a row counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.names import clean_label
from trainingday.typing import BoolArray, IntArray, JSONDict

SENTENCES = {
    "missing_value": "{column} is missing",
    "not_finite": "{column} should be finite",
    "bad_number": "{column} should be a plain number such as 1234.5",
    "price_not_positive": "{column} should be > 0",
    "price_out_of_range": "{column} should be 1e-12..1e12",
    "negative_volume": "{column} should be >= 0",
    "volume_out_of_range": "{column} should be <= 1e18",
    "high_below_low": "high should be >= low",
    "open_close_outside_range": "{column} should lie within low..high",
    "bad_timestamp": "the time is not a valid date and time",
    "mixed_timestamp_formats": "the time is written in another format than in most rows",
    "timestamp_in_future": "the time lies in the future",
    "timestamp_out_of_line": "the time lies far away from all other rows",
    "ambiguous_local_time": "the time happens twice or never in its zone (clock change)",
    "off_grid_timestamp": "the time does not lie on the file's own grid of bars",
    "conflicting_duplicates": "two different bars have the same time; choose which to keep",
    "field_count": "the row has another number of fields than the header",
}
CODES = ("", *SENTENCES)
MAX_BAD_SHARE = 0.05
LISTED = 200
MAX_SHOWN = 60


@dataclass
class RowFaults:
    """Faults per row of a table with `n_rows` rows; `text_of(row, column)` shows what stands there."""

    n_rows: int
    text_of: Callable[[int, str], str]
    row_numbers: IntArray | None = None
    codes: np.ndarray = field(init=False)
    columns: dict[int, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.codes = np.zeros(self.n_rows, dtype=np.int8)

    def mark(self, is_bad: BoolArray, code: str, column: str = "time") -> None:
        """Give the rows a fault unless they have one."""
        fresh = np.flatnonzero(is_bad & (self.codes == 0))
        if fresh.size:
            self.codes[fresh] = CODES.index(code)
            for row in fresh[: LISTED + 1]:
                self.columns.setdefault(int(row), column)

    def mark_rows(self, rows: IntArray, code: str, column: str = "time") -> None:
        is_bad = np.zeros(self.n_rows, dtype=np.bool_)
        is_bad[rows] = True
        self.mark(is_bad, code, column)

    @property
    def good(self) -> BoolArray:
        return np.asarray(self.codes == 0)

    def number(self, row: int) -> int:
        """Return the row's number in the file: data rows count from 1, header and comments do not."""
        return int(row if self.row_numbers is None else self.row_numbers[row]) + 1

    def refuse_first(self) -> None:
        """Raise ImportRefused for the earliest bad row of the file, if any."""
        bad = np.flatnonzero(self.codes)
        if bad.size == 0:
            return
        row = int(bad[0])
        code, sentence, shown = self._describe(row)
        more = f" ({bad.size:,} bad rows in all)" if bad.size > 1 else ""
        raise ImportRefused(
            code, f"row {self.number(row)}: {sentence}, is {shown!r}{more}", row=self.number(row)
        )

    def listed(self) -> list[JSONDict]:
        """Return the first bad rows: number, code, and the text that was found."""
        rows = []
        for row in np.flatnonzero(self.codes)[:LISTED]:
            code, sentence, shown = self._describe(int(row))
            rows.append({"row": self.number(int(row)), "code": code, "reason": sentence, "found": shown})
        return rows

    def _describe(self, row: int) -> tuple[str, str, str]:
        code = CODES[int(self.codes[row])]
        column = self.columns.get(row, "time")
        shown = clean_label(self.text_of(row, column))[:MAX_SHOWN]
        return code, SENTENCES[code].format(column=column), shown


def refuse_many(n_bad: int, n_rows: int) -> None:
    """Raise ImportRefused if more rows are bad than quarantine takes."""
    if n_bad > max(MAX_BAD_SHARE * n_rows, 1):
        raise ImportRefused(
            "too_many_bad_rows",
            f"{n_bad:,} of {n_rows:,} rows are bad; quarantine takes at most {MAX_BAD_SHARE:.0%} of them",
        )
