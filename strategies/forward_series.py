"""Bar by bar, what a strategy held and earned after it was fixed; as arrays and as stored bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from strategies.library.registry import get_family
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray, IntArray

ROW = np.dtype([("stamp", "<i8"), ("position", "<f8"), ("net", "<f8"), ("market", "<f8")])


@dataclass(frozen=True, eq=False)
class ForwardSeries:
    """Consecutive recorded bars.

    Attributes
    ----------
    timestamps : ndarray of shape (n_bars,), int64
        Opening time of each bar, microseconds UTC.
    positions : ndarray of shape (n_bars,)
        Target decided on each bar, in [-1, 1].
    returns, market_returns : ndarray of shape (n_bars,)
        Net return over each bar, of the strategy and of buy & hold; both accounts started flat when the
        strategy was fixed.
    """

    timestamps: IntArray
    positions: FloatArray
    returns: FloatArray
    market_returns: FloatArray

    def __len__(self) -> int:
        return int(self.timestamps.shape[0])

    @property
    def equity(self) -> FloatArray:
        """Return the compounded net returns, shape (n_bars,), in units of the equity before the first bar."""
        return np.multiply.accumulate(1.0 + self.returns, dtype=np.float64)

    @property
    def market_equity(self) -> FloatArray:
        return np.multiply.accumulate(1.0 + self.market_returns, dtype=np.float64)

    @classmethod
    def from_bytes(cls, parts: Iterable[bytes | memoryview]) -> ForwardSeries:
        """Return the stretches of a record, in order, as one series."""
        rows = np.frombuffer(b"".join(bytes(part) for part in parts), dtype=ROW)
        return cls(rows["stamp"], rows["position"], rows["net"], rows["market"])

    def to_bytes(self) -> bytes:
        rows = np.empty(len(self), dtype=ROW)
        rows["stamp"], rows["position"] = self.timestamps, self.positions
        rows["net"], rows["market"] = self.returns, self.market_returns
        return rows.tobytes()

    def joined(self, later: ForwardSeries) -> ForwardSeries:
        return ForwardSeries.from_bytes([self.to_bytes(), later.to_bytes()])

    def since(self, after_us: int) -> ForwardSeries:
        """Return the bars that opened after a time."""
        start = int(np.searchsorted(self.timestamps, after_us, side="right"))
        return ForwardSeries(
            self.timestamps[start:], self.positions[start:], self.returns[start:], self.market_returns[start:]
        )


def opening_position(bars: Bars, targets: FloatArray, after_us: int) -> float:
    """Return the target decided on the newest bar known when the strategy was fixed.

    Raises
    ------
    InvalidArgument
        If the bars start after that time.
    """
    place = int(np.searchsorted(bars.timestamps, after_us, side="right")) - 1
    if place < 0:
        raise InvalidArgument(f"bars should start by {after_us}, start at {bars.timestamps[0]}")
    return float(targets[place])


def later_bars(
    bars: Bars,
    targets: FloatArray,
    past: ForwardSeries,
    *,
    after_us: int,
    opening: float,
    costs: Costs,
    bars_per_year: float,
) -> ForwardSeries:
    """Return what the bars after the recorded ones add to a record.

    Parameters
    ----------
    bars : Bars
        Of the market's newest dataset.
    targets : ndarray of shape (n_bars,)
        The strategy's positions on them.
    past : ForwardSeries
        What is recorded; it is taken as it stands, whatever the new dataset says of those bars.
    after_us : int
        Newest bar known when the strategy was fixed, microseconds UTC.
    opening : float
        Target decided on that bar.
    costs : Costs
    bars_per_year : float

    Notes
    -----
    The account is replayed from its start on the new dataset with the recorded targets, so that what it
    holds on the first new bar is what it decided then. A bar that the new dataset has among the recorded
    ones, but that was not recorded, keeps the target of the bar before it and is not added afterwards.
    """
    start = int(np.searchsorted(bars.timestamps, after_us, side="left"))
    held = bars[start:]
    until_us = int(past.timestamps[-1]) if len(past) else after_us
    if len(held) == 0 or int(held.timestamps[-1]) <= until_us:
        return ForwardSeries.from_bytes(())
    stamps = held.timestamps
    known = np.concatenate(([opening], past.positions))
    places = np.searchsorted(past.timestamps, stamps, side="right")
    positions = np.where(stamps <= until_us, known[places], targets[start:])
    own = run_backtest(held, positions, costs, bars_per_year=bars_per_year)
    hold = run_backtest(
        held, get_family("buy_and_hold").positions(held, {}), costs, bars_per_year=bars_per_year
    )
    new = stamps[1:] > until_us  # the first bar has no return
    return ForwardSeries(stamps[1:][new], positions[1:][new], own.returns[new], hold.returns[new])
