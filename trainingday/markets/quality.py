"""The quality report of a dataset: gaps, outliers, empty bars, possible splits, coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainingday.bars import Bars
from trainingday.markets.calendars import missing_bars
from trainingday.typing import FloatArray, IntArray, JSONDict

COVERAGE_CELLS = 120
LISTED = 50  # gaps, outliers and splits that a report names one by one
JUMP_RATIO = 5.0  # a close five times the last, or a fifth of it
WICK_RATIO = 2.0  # a low under half of the bar's body, or a high over twice of it
SPLIT_TOLERANCE = 0.06
SPLIT_RATIOS = np.array([2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50], dtype=np.float64)
SPLIT_NEIGHBOURS = 5  # bars before and after, whose medians a split must separate too


@dataclass(frozen=True)
class Finding:
    """Something odd but usable: a stable code, a sentence, and how often it occurs."""

    code: str
    message: str
    count: int = 1

    def as_dict(self) -> JSONDict:
        return {"code": self.code, "message": self.message, "count": self.count}


def counted(number: int, noun: str) -> str:
    """Return "1 bar" or "2,000 bars"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@dataclass(frozen=True)
class Gap:
    """Missing bars: the last bar before and the first after (microseconds UTC), and how many are absent."""

    after_us: int
    until_us: int
    n_missing: int


@dataclass(frozen=True)
class OddBar:
    """One bar worth a look: its stamp (microseconds UTC), what is odd, and the ratio that says so."""

    at_us: int
    kind: str
    ratio: float


@dataclass(frozen=True)
class QualityReport:
    """What is known about the quality of a dataset's bars; `coverage` is the share present per cell of time."""

    n_rows: int
    n_gaps: int
    n_missing: int
    largest_gaps: tuple[Gap, ...]
    n_zero_volume: int
    has_volume: bool
    n_flat: int
    n_jumps: int
    odd_bars: tuple[OddBar, ...]
    splits: tuple[OddBar, ...]
    coverage: tuple[float, ...]

    def findings(self) -> tuple[Finding, ...]:
        """Return the warnings that follow from the bars themselves."""
        found = []
        if self.n_gaps:
            found.append(
                Finding(
                    "gaps",
                    f"missing: {counted(self.n_missing, 'bar')} in {counted(self.n_gaps, 'gap')}",
                    self.n_gaps,
                )
            )
        if self.has_volume and self.n_zero_volume:
            found.append(
                Finding(
                    "zero_volume", f"without volume: {counted(self.n_zero_volume, 'bar')}", self.n_zero_volume
                )
            )
        if self.n_jumps:
            found.append(
                Finding(
                    "price_jump",
                    f"with a jump, a long wick or an open far from the last close: {counted(self.n_jumps, 'bar')}",
                    self.n_jumps,
                )
            )
        if self.splits:
            found.append(
                Finding(
                    "possible_split",
                    f"like an unadjusted split: {counted(len(self.splits), 'step')}, the first with a ratio of "
                    f"{self.splits[0].ratio:.3f}",
                    len(self.splits),
                )
            )
        return tuple(found)

    def as_dict(self) -> JSONDict:
        return {
            "n_rows": self.n_rows,
            "gaps": {
                "count": self.n_gaps,
                "missing_bars": self.n_missing,
                "largest": [vars(gap) for gap in self.largest_gaps],
            },
            "zero_volume": self.n_zero_volume,
            "has_volume": self.has_volume,
            "flat_bars": self.n_flat,
            "jumps": self.n_jumps,
            "odd_bars": [vars(bar) for bar in self.odd_bars],
            "possible_splits": [vars(bar) for bar in self.splits],
            "coverage": list(self.coverage),
        }


def assess(bars: Bars, interval: int, calendar: str) -> QualityReport:
    """Return the quality report of checked bars.

    Parameters
    ----------
    bars : Bars
        With `gap_before` set for the market's calendar.
    interval : int
        Bar length in seconds.
    calendar : {"crypto", "us_equities", "forex"}
        Decides how many bars a gap misses.

    Notes
    -----
    Nothing is changed: oddities are counted and named. A jump is a close-to-close ratio of 5 or more either
    way, or a wick that reaches beyond twice (or under half) the bar's body. A possible split is an open that
    stands near 1/k or k of the close before it (within 6 %) and stays: the medians of five bars on either
    side have the same ratio, and the step is over eight times the median absolute close-to-close step.
    """
    missing = missing_bars(bars.timestamps, interval, bars.gap_before, calendar)
    gaps_at = np.flatnonzero(bars.gap_before)
    splits = _possible_splits(bars)
    split_stamps = {split.at_us for split in splits}
    odd = tuple(bar for bar in _odd_bars(bars) if bar.at_us not in split_stamps)
    return QualityReport(
        n_rows=len(bars),
        n_gaps=int(gaps_at.size),
        n_missing=int(missing.sum()),
        largest_gaps=_largest_gaps(bars.timestamps, gaps_at, missing),
        n_zero_volume=int(np.count_nonzero(bars.volume == 0)),
        has_volume=bars.has_volume,
        n_flat=int(np.count_nonzero(bars.high == bars.low)),
        n_jumps=len(odd),
        odd_bars=odd[:LISTED],
        splits=splits[:LISTED],
        coverage=_coverage(bars, missing),
    )


def _largest_gaps(stamps: IntArray, gaps_at: IntArray, missing: IntArray) -> tuple[Gap, ...]:
    largest = np.sort(np.argsort(-missing, kind="stable")[:LISTED])
    return tuple(
        Gap(int(stamps[gaps_at[gap] - 1]), int(stamps[gaps_at[gap]]), int(missing[gap])) for gap in largest
    )


def _coverage(bars: Bars, missing: IntArray) -> tuple[float, ...]:
    """Return bars present over bars expected, per equal cell of bar counts (missing ones included)."""
    absent = np.zeros(len(bars), dtype=np.int64)
    absent[np.flatnonzero(bars.gap_before)] = missing
    place = np.arange(len(bars)) + np.cumsum(absent)
    total = int(place[-1]) + 1
    n_cells = min(COVERAGE_CELLS, total)
    edges = np.linspace(0, total, n_cells + 1).astype(np.int64)
    present = np.diff(np.searchsorted(place, edges))
    return tuple(round(float(share), 4) for share in present / np.diff(edges))


def _odd_bars(bars: Bars) -> list[OddBar]:
    ratio = bars.close[1:] / bars.close[:-1]
    body_low, body_high = np.minimum(bars.open, bars.close), np.maximum(bars.open, bars.close)
    odd = [
        OddBar(int(bars.timestamps[at + 1]), "jump", float(ratio[at]))
        for at in np.flatnonzero((ratio >= JUMP_RATIO) | (ratio <= 1 / JUMP_RATIO))
    ]
    for kind, extreme, body in (("low wick", bars.low, body_low), ("high wick", bars.high, body_high)):
        reach = extreme / body
        odd += [
            OddBar(int(bars.timestamps[at]), kind, float(reach[at]))
            for at in np.flatnonzero((reach > WICK_RATIO) | (reach < 1 / WICK_RATIO))
        ]
    step = bars.open[1:] / bars.close[:-1]
    odd += [
        OddBar(int(bars.timestamps[at + 1]), "open far from last close", float(step[at]))
        for at in np.flatnonzero((step > WICK_RATIO) | (step < 1 / WICK_RATIO))
    ]
    first = bars.open[0] / bars.close[0]
    if first > WICK_RATIO or first < 1 / WICK_RATIO:
        odd.append(OddBar(int(bars.timestamps[0]), "first open far from its close", float(first)))
    by_stamp = {bar.at_us: bar for bar in reversed(odd)}  # one entry a bar
    return [by_stamp[stamp] for stamp in sorted(by_stamp)]


def _possible_splits(bars: Bars) -> tuple[OddBar, ...]:
    """Return the steps that look like a share split: near 1/k or k, and lasting."""
    if len(bars) < 4:
        return ()
    step = bars.open[1:] / bars.close[:-1]
    multiple = np.where(step < 1, 1 / step, step)
    nearest = (
        SPLIT_RATIOS[np.argmin(np.abs(multiple[:, None] - SPLIT_RATIOS[None, :]), axis=1)]
        if len(bars) < 100_000
        else np.round(multiple)
    )
    usual = float(np.median(np.abs(np.diff(np.log(bars.close)))))
    suspects = np.flatnonzero(
        (multiple > 1.8) & (np.abs(multiple / nearest - 1) < SPLIT_TOLERANCE) & (np.log(multiple) > 8 * usual)
    )
    return tuple(
        OddBar(int(bars.timestamps[at + 1]), "split", float(step[at]))
        for at in suspects
        if _is_lasting(bars.close, int(at) + 1, float(step[at]))
    )


def _is_lasting(close: FloatArray, at: int, ratio: float) -> bool:
    before = np.median(close[max(0, at - SPLIT_NEIGHBOURS) : at])
    after = np.median(close[at : at + SPLIT_NEIGHBOURS])
    return bool(abs(np.log(after / before / ratio)) < 0.25)
