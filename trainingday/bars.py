"""Bars: the price history that everything else reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.typing import BoolArray, FloatArray, IntArray

PRICE_COLUMNS = ("open", "high", "low", "close")


@dataclass(frozen=True, eq=False)
class Bars:
    """Open, high, low, close and volume of consecutive bars of one market.

    Attributes
    ----------
    timestamps : ndarray of shape (n_bars,), int64
        Opening time of each bar, microseconds since 1970-01-01 UTC, strictly increasing.
    open, high, low, close : ndarray of shape (n_bars,), float64
        Prices in the quote currency, finite and > 0.
    volume : ndarray of shape (n_bars,), float64
        Base volume, finite and >= 0; all zero where the market has none.
    gap_before : ndarray of shape (n_bars,), bool
        True where bars are missing between this bar and the one before it. A closed session is no gap.

    Notes
    -----
    Use `Bars.create` for outside data: the plain constructor checks nothing, so that slices are free.
    Columns are not to be written to: what is worked out of them is kept.
    """

    timestamps: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    gap_before: BoolArray

    @classmethod
    def create(
        cls,
        timestamps: IntArray,
        open: FloatArray,
        high: FloatArray,
        low: FloatArray,
        close: FloatArray,
        volume: FloatArray | None = None,
        gap_before: BoolArray | None = None,
    ) -> Bars:
        """Return checked bars.

        Raises
        ------
        InvalidArgument
            If lengths differ, a price is not finite or not > 0, high < low, open or close leave
            [low, high], volume is negative or not finite, or timestamps do not strictly increase.
        """
        stamps = np.ascontiguousarray(timestamps, dtype=np.int64)
        n_bars = stamps.shape[0]
        prices = [np.ascontiguousarray(column, dtype=np.float64) for column in (open, high, low, close)]
        volumes = np.zeros(n_bars) if volume is None else np.ascontiguousarray(volume, dtype=np.float64)
        gaps = (
            np.zeros(n_bars, dtype=np.bool_)
            if gap_before is None
            else np.ascontiguousarray(gap_before, dtype=np.bool_)
        )
        bars = cls(stamps, prices[0], prices[1], prices[2], prices[3], volumes, gaps)
        bars._check()
        return bars

    def _check(self) -> None:
        n_bars = len(self)
        if n_bars == 0:
            raise InvalidArgument("bars should hold at least 1 bar, holds 0")
        for name in (*PRICE_COLUMNS, "volume", "gap_before"):
            if getattr(self, name).shape != (n_bars,):
                raise InvalidArgument(
                    f"{name} should have shape ({n_bars},), has {getattr(self, name).shape}"
                )
        for name in PRICE_COLUMNS:
            _refuse_first(
                getattr(self, name),
                ~(np.isfinite(getattr(self, name)) & (getattr(self, name) > 0)),
                name,
                "finite and > 0",
            )
        _refuse_first(
            self.volume, ~(np.isfinite(self.volume) & (self.volume >= 0)), "volume", "finite and >= 0"
        )
        _refuse_first(self.high, self.high < self.low, "high", ">= low")
        for name in ("open", "close"):
            column = getattr(self, name)
            _refuse_first(column, (column > self.high) | (column < self.low), name, "within [low, high]")
        unsorted = np.flatnonzero(np.diff(self.timestamps) <= 0)
        if unsorted.size:
            bar = int(unsorted[0]) + 1
            before, after = self.timestamps[bar - 1 : bar + 1]
            raise InvalidArgument(
                f"timestamps should strictly increase, is {after} after {before} at bar {bar}"
            )

    def __len__(self) -> int:
        return int(self.timestamps.shape[0])

    def __getitem__(self, window: slice) -> Bars:
        """Return the bars of a slice, sharing memory."""
        return Bars(
            self.timestamps[window],
            self.open[window],
            self.high[window],
            self.low[window],
            self.close[window],
            self.volume[window],
            self.gap_before[window],
        )

    @cached_property
    def log_returns(self) -> FloatArray:
        """Log returns from close to close, shape (n_bars,), NaN on the first bar; worked out once."""
        out = np.full(len(self), np.nan)
        np.log(self.close[1:] / self.close[:-1], out=out[1:])
        return out

    @property
    def has_volume(self) -> bool:
        return bool(self.volume.any())


def _refuse_first(column: FloatArray, is_bad: BoolArray, name: str, bound: str) -> None:
    bad = np.flatnonzero(is_bad)
    if bad.size:
        raise InvalidArgument(f"{name} should be {bound}, is {column[bad[0]]} at bar {int(bad[0])}")
