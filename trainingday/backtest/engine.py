"""Run one strategy's positions over bars: costs, checks and the call into the ledger."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trainingday.backtest.kernels import (
    N_TRADE_ROWS,
    fill_bars_nb,
    first_bad_bar_nb,
    first_bad_position_nb,
    ledger_nb,
)
from trainingday.backtest.memory import keep_freed_memory
from trainingday.backtest.result import BacktestResult, Trades
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.stats.returns import check_bars_per_year
from trainingday.typing import FloatArray

MAX_COST = 0.1
NO_FUNDING: FloatArray = np.empty(0)

keep_freed_memory()


@dataclass(frozen=True)
class Costs:
    """What each side of a trade costs.

    Attributes
    ----------
    fee : float
        Fraction of the traded value paid to the venue per side, 0..0.1; 0.001 is 10 basis points.
    slippage : float
        Fraction by which a fill is worse than the bar's open, 0..0.1.

    Raises
    ------
    InvalidArgument
        If either is not a finite number in 0..0.1.
    """

    fee: float = 0.001
    slippage: float = 0.0005

    def __post_init__(self) -> None:
        for name in ("fee", "slippage"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= MAX_COST):
                raise InvalidArgument(f"{name} should be 0..{MAX_COST}, is {value}")


def run_backtest(
    bars: Bars,
    positions: FloatArray,
    costs: Costs,
    *,
    bars_per_year: float,
    funding: FloatArray | None = None,
) -> BacktestResult:
    """Return equity, returns and trades of target positions held over bars.

    Parameters
    ----------
    bars : Bars
        At least 1 bar; prices finite and > 0, time strictly increasing.
    positions : ndarray of shape (n_bars,)
        Target as a fraction of equity in [-1, 1], decided on the bar's close and filled at the next
        bar's open. The account starts flat; the last target is never filled.
    costs : Costs
        Fee and slippage per side.
    bars_per_year : float
        For annualised metrics, > 0.
    funding : ndarray of shape (n_bars,), optional
        Rate charged at each bar's close on the value of the position: longs pay a positive rate,
        shorts receive it; a borrow fee for shorts is a negative rate. |rate| <= 1.

    Returns
    -------
    BacktestResult
        In units of the starting equity, 1.

    Raises
    ------
    InvalidArgument
        If bars or positions are not as above.

    Notes
    -----
    Units are held until the target changes: the drift of a fraction is not rebalanced. Equity at or
    below 0 is ruin: it is 0 from that bar on and nothing trades after it.
    """
    check_bars(bars)
    check_bars_per_year(bars_per_year)
    targets = check_positions(positions, len(bars))
    rates = NO_FUNDING if funding is None else _check_funding(funding, len(bars))
    fill_bars = fill_bars_nb(targets)
    n_changes = int(fill_bars.shape[0])
    equity = np.empty(len(bars))
    table = np.empty((N_TRADE_ROWS, n_changes))
    trade_bars = np.empty((2, n_changes), dtype=np.int64)
    totals = np.zeros(4)
    n_trades, ruined_at = ledger_nb(
        bars.open,
        bars.close,
        targets,
        fill_bars,
        rates,
        costs.fee,
        costs.slippage,
        equity,
        table,
        trade_bars,
        totals,
    )
    return BacktestResult(
        equity=equity,
        positions=targets,
        trades=Trades.from_table(
            table[:, :n_trades], trade_bars[:, :n_trades], len(bars) - 1, float(bars.close[-1])
        ),
        costs_paid=float(totals[0] + totals[1]),
        n_position_changes=n_changes,
        ruined_at=None if ruined_at < 0 else int(ruined_at),
        bars_per_year=float(bars_per_year),
        turnover_total=float(totals[2]),
        n_bars_held=int(totals[3]),
    )


def check_bars(bars: Bars) -> None:
    """Raise InvalidArgument unless bars can be traded: >= 1 bar, sound prices, increasing time."""
    stamps = np.ascontiguousarray(bars.timestamps)
    open_, close = np.ascontiguousarray(bars.open), np.ascontiguousarray(bars.close)
    if len(bars) and first_bad_bar_nb(stamps, open_, close) < 0:
        return
    Bars.create(bars.timestamps, bars.open, bars.high, bars.low, bars.close, bars.volume, bars.gap_before)


def check_positions(positions: FloatArray, n_bars: int) -> FloatArray:
    """Return positions as contiguous float64 of shape (n_bars,), or raise InvalidArgument."""
    targets = np.ascontiguousarray(positions, dtype=np.float64)
    if targets.shape != (n_bars,):
        raise InvalidArgument(f"positions should have shape ({n_bars},), has {targets.shape}")
    bad = int(first_bad_position_nb(targets))
    if bad >= 0:
        raise InvalidArgument(f"positions should be -1..1, is {targets[bad]} at bar {bad}")
    return targets


def _check_funding(funding: FloatArray, n_bars: int) -> FloatArray:
    rates = np.ascontiguousarray(funding, dtype=np.float64)
    if rates.shape != (n_bars,):
        raise InvalidArgument(f"funding should have shape ({n_bars},), has {rates.shape}")
    bad = int(first_bad_position_nb(rates))
    if bad >= 0:
        raise InvalidArgument(f"funding should be -1..1, is {rates[bad]} at bar {bad}")
    return rates
