"""Overlays: positions in, positions out, with the ledger's timing; each bar reads bars up to its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numba import njit

from trainingday.backtest.engine import Costs, check_bars, check_positions
from trainingday.backtest.indicators import volatility_nb
from trainingday.backtest.kernels import fill_nb
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, NotEnoughBars
from trainingday.stats.returns import check_bars_per_year
from trainingday.typing import FloatArray


class Overlay(Protocol):
    """Anything that turns targets into safer targets."""

    def apply(self, bars: Bars, positions: FloatArray) -> FloatArray:
        """Return target positions in [-1, 1], shape (n_bars,)."""
        ...


@dataclass(frozen=True)
class StopLoss:
    """Leave a position whose close is `distance` against its entry; stay out until it goes flat or flips.

    Attributes
    ----------
    distance : float
        Fraction of the entry price (the open at which it was filled), 0 < distance < 1.
    """

    distance: float = 0.05

    def __post_init__(self) -> None:
        _check_fraction("distance", self.distance)

    def apply(self, bars: Bars, positions: FloatArray) -> FloatArray:
        """Return stopped positions, shape (n_bars,); seen at a close, filled at the next open."""
        check_bars(bars)
        targets = check_positions(positions, len(bars))
        stopped: FloatArray = stop_loss_nb(bars.open, bars.close, targets, self.distance)
        return stopped


@dataclass(frozen=True)
class DrawdownStop:
    """Go flat once the strategy's own equity is `depth` below its peak, for `cooldown` bars.

    Attributes
    ----------
    depth : float
        Fraction of the peak equity at closes, 0 < depth < 1.
    cooldown : int
        Bars to stay flat; then the peak starts anew at the equity that is left.
    costs : Costs
        The account's costs, since its equity is what is watched.
    """

    depth: float = 0.10
    cooldown: int = 100
    costs: Costs = field(default_factory=Costs)

    def __post_init__(self) -> None:
        _check_fraction("depth", self.depth)
        if self.cooldown < 1:
            raise InvalidArgument(f"cooldown should be >= 1, is {self.cooldown}")

    def apply(self, bars: Bars, positions: FloatArray) -> FloatArray:
        """Return stopped positions, shape (n_bars,); seen at a close, filled at the next open."""
        check_bars(bars)
        targets = check_positions(positions, len(bars))
        stopped: FloatArray = drawdown_stop_nb(
            bars.open,
            bars.close,
            targets,
            self.depth,
            self.cooldown,
            self.costs.fee,
            self.costs.slippage,
        )
        return stopped


@dataclass(frozen=True)
class VolatilityTarget:
    """Scale positions down so that the market's volatility times the position meets a target.

    Attributes
    ----------
    annual_volatility : float
        Wanted volatility per year, a fraction > 0.
    window : int
        Bars of log returns whose deviation (ddof 0) estimates volatility, >= 2.
    bars_per_year : float
        Annualises the estimate.
    step : float
        Scales are rounded down to multiples of it, so that costs are not paid for noise; 0 < step <= 1.

    Notes
    -----
    Moreira & Muir (2017), Volatility-managed portfolios, with weight target / volatility capped at 1:
    there is no leverage here. Flat until the window is full.
    """

    annual_volatility: float = 0.20
    window: int = 100
    bars_per_year: float = 8760.0
    step: float = 0.1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.annual_volatility) and self.annual_volatility > 0):
            raise InvalidArgument(f"annual_volatility should be > 0, is {self.annual_volatility}")
        if self.window < 2:
            raise InvalidArgument(f"window should be >= 2, is {self.window}")
        check_bars_per_year(self.bars_per_year)
        if not 0.0 < self.step <= 1.0:
            raise InvalidArgument(f"step should be > 0 and <= 1, is {self.step}")

    def apply(self, bars: Bars, positions: FloatArray) -> FloatArray:
        """Return scaled positions, shape (n_bars,)."""
        check_bars(bars)
        targets = check_positions(positions, len(bars))
        if self.window >= len(bars):
            raise NotEnoughBars(f"window should be < {len(bars)} bars, is {self.window}")
        annual = volatility_nb(bars.close, self.window) * math.sqrt(self.bars_per_year)
        # A market that does not move asks for more than all; the cap answers.
        ratio = self.annual_volatility / np.maximum(annual, 1e-12)
        scale = np.minimum(np.floor(ratio / self.step + 1e-9) * self.step, 1.0)
        return targets * np.where(np.isfinite(scale), scale, 0.0)


def _check_fraction(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise InvalidArgument(f"{name} should be > 0 and < 1, is {value}")


@njit(cache=True, nogil=True)
def stop_loss_nb(open_: FloatArray, close: FloatArray, positions: FloatArray, distance: float) -> FloatArray:
    """Return positions with a stop, shape (n_bars,); see `StopLoss`."""
    out = np.empty(positions.shape[0])
    held, entry, target, is_stopped = 0.0, 0.0, 0.0, False
    for bar in range(positions.shape[0]):
        if bar and out[bar - 1] != held:
            if held * out[bar - 1] <= 0.0:
                entry = open_[bar]
            held = out[bar - 1]
        if positions[bar] * target <= 0.0:
            is_stopped = False
        target = positions[bar]
        if held * target > 0.0 and not is_stopped:
            move = close[bar] / entry - 1.0
            is_stopped = (move if held > 0.0 else -move) <= -distance
        out[bar] = 0.0 if is_stopped else target
    return out


@njit(cache=True, nogil=True)
def drawdown_stop_nb(
    open_: FloatArray,
    close: FloatArray,
    positions: FloatArray,
    depth: float,
    cooldown: int,
    fee: float,
    slippage: float,
) -> FloatArray:
    """Return positions with a drawdown stop, shape (n_bars,); see `DrawdownStop`."""
    out = np.empty(positions.shape[0])
    cash, units, filled, peak = 1.0, 0.0, 0.0, 1.0
    wait, is_ruined = 0, False
    for bar in range(positions.shape[0]):
        if bar and out[bar - 1] != filled:
            filled = out[bar - 1]
            cash, units, _, _ = fill_nb(cash, units, open_[bar], filled, fee, slippage)
        equity = cash + units * close[bar]
        if wait:
            wait -= 1
            if wait == 0:
                peak = equity
        else:
            peak = max(peak, equity)
            if equity <= peak * (1.0 - depth):
                wait = cooldown
        is_ruined = is_ruined or equity <= 0.0
        out[bar] = 0.0 if wait or is_ruined else positions[bar]
    return out
