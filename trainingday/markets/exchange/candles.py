"""Candles as an exchange sends them: which of an answer count, which are broken, and bars made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainingday.bars import Bars
from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.faults import refuse_many
from trainingday.markets.quality import Finding, counted
from trainingday.typing import BoolArray, FloatArray, JSONDict

COLUMNS = 6  # open time in milliseconds UTC, open, high, low, close, volume
LISTED = 200


@dataclass(frozen=True)
class Series:
    """The candles of a download as bars, those set aside, and what was odd."""

    bars: Bars
    findings: tuple[Finding, ...]
    quarantined: tuple[JSONDict, ...]
    n_quarantined: int


def as_candles(rows: Any) -> FloatArray:
    """Return an answer as an array of shape (n_candles, 6); what is no number becomes NaN.

    Raises
    ------
    ValueError
        If the answer is no list of rows of six.
    """
    if not isinstance(rows, list) or any(not isinstance(row, list) or len(row) < COLUMNS for row in rows):
        raise ValueError("the answer is no list of candles")
    cells = [[np.nan if cell is None else float(cell) for cell in row[:COLUMNS]] for row in rows]
    candles = np.array(cells, dtype=np.float64).reshape(-1, COLUMNS)
    if not np.isfinite(candles[:, 0]).all():
        raise ValueError("a candle has no time")
    return candles[np.argsort(candles[:, 0], kind="stable")]


def usable(candles: FloatArray, cursor_ms: int, as_of_ms: int, interval_ms: int) -> FloatArray:
    """Return the candles that begin at or after the cursor and were finished at `as_of_ms`."""
    opens = candles[:, 0]
    return candles[(opens >= cursor_ms) & (opens + interval_ms <= as_of_ms)]


def find_broken(candles: FloatArray, interval_ms: int) -> BoolArray:
    """Return which candles are no bars: a value missing, not finite or not > 0, OHLC impossible, off the grid.

    The grid is that of most candles of the answer.
    """
    opens, open_, high, low, close, volume = candles.T
    with np.errstate(invalid="ignore"):
        is_bar = np.isfinite(candles).all(axis=1) & (candles[:, 1:5] > 0).all(axis=1) & (volume >= 0)
        is_bar &= (high >= np.maximum(open_, close)) & (low <= np.minimum(open_, close))
    if opens.size:
        phases, counts = np.unique(opens % interval_ms, return_counts=True)
        is_bar &= opens % interval_ms == phases[counts.argmax()]
    return np.asarray(~is_bar)


def to_series(pages: Sequence[FloatArray], interval_ms: int, keep: str | None) -> Series:
    """Return the candles of all pages in time order, one per time.

    Parameters
    ----------
    pages : sequence of ndarray of shape (n_candles, 6)
        In the order in which they came; they may overlap.
    interval_ms : int
        Length of a bar.
    keep : {"first", "last"} or None
        Which of two different candles of one time stays; None refuses.

    Raises
    ------
    ImportRefused
        `conflicting_duplicates`, `too_many_bad_rows` or `too_few_rows`.
    """
    candles = np.concatenate([*pages, np.empty((0, COLUMNS))])
    broken = find_broken(candles, interval_ms)
    n_broken = int(broken.sum())
    if n_broken:
        refuse_many(n_broken, len(candles))
    listed = tuple(_described(candle) for candle in candles[broken][:LISTED])
    good, findings = _one_per_time(candles[~broken], keep)
    if len(good) == 0:
        raise ImportRefused("too_few_rows", "the exchange has no finished candles in this range")
    if n_broken:
        findings.append(
            Finding("rows_quarantined", f"set aside: {counted(n_broken, 'broken candle')}", n_broken)
        )
    stamps = np.round(good[:, 0] * 1000).astype(np.int64)
    return Series(Bars.create(stamps, *good[:, 1:].T), tuple(findings), listed, n_broken)


def _one_per_time(candles: FloatArray, keep: str | None) -> tuple[FloatArray, list[Finding]]:
    candles = candles[np.argsort(candles[:, 0], kind="stable")]
    same_time = np.diff(candles[:, 0]) == 0
    if not same_time.any():
        return candles, []
    findings = []
    _, firsts = np.unique(candles, axis=0, return_index=True)
    copies = len(candles) - firsts.size
    if copies:
        findings.append(
            Finding("exact_duplicates_dropped", f"came more than once: {counted(copies, 'candle')}", copies)
        )
    candles = candles[np.sort(firsts)]
    same_time = np.diff(candles[:, 0]) == 0
    n_different = int(same_time.sum())
    if not n_different:
        return candles, findings
    if keep is None:
        at = _moment(candles[1:][same_time][0, 0])
        raise ImportRefused(
            "conflicting_duplicates",
            f"the exchange sent two different candles of {at} UTC ({n_different:,} such times); "
            "choose which to keep",
        )
    drop = np.append(False, same_time) if keep == "first" else np.append(same_time, False)
    findings.append(
        Finding(
            "duplicates_resolved",
            f"came in different versions, of which the {keep} was kept: {counted(n_different, 'candle')}",
            n_different,
        )
    )
    return candles[~drop], findings


def _described(candle: FloatArray) -> JSONDict:
    values = ", ".join(f"{value:g}" for value in candle[1:])
    return {"row": _moment(candle[0]), "code": "broken_candle", "found": values}


def _moment(milliseconds: float) -> str:
    return str(np.datetime64(int(milliseconds), "ms").astype("datetime64[m]")).replace("T", " ")
