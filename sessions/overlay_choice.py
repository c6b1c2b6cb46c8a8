"""The risk overlay of a candidate: a volatility target, unless validation shows that another choice is better."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.overlay_records import Known, apply_overlays, to_record
from trainingday.backtest.overlays import DrawdownStop, VolatilityTarget
from trainingday.backtest.result import BacktestResult
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.markets.splits import Split
from trainingday.stats.hac import compare_sharpe_ratios
from trainingday.typing import FloatArray, JSONDict

NONE, TARGET, STOP = "none", "volatility_target", "volatility_target_and_drawdown_stop"
WINDOW = 100
STOP_DEPTH, STOP_COOLDOWN = 0.10, 100
# Two other choices are compared with the default, so each is asked for half of 5 %.
LEVEL = 0.025
MIN_VOLATILITY = 1e-9
# The estimate over 100 bars strays by 7 % where volatility is constant: with this room nothing is traded there.
# Without it the target cost 0.23 (0.09 to 0.37) of the Sharpe ratio on AR(1) bars with clustered volatility.
HEADROOM = 1.25


@dataclass(frozen=True)
class OverlayChoice:
    """What is deployed with a policy, and what validation said of each choice.

    Attributes
    ----------
    name : str
        "volatility_target" (the default), "none", or "volatility_target_and_drawdown_stop".
    overlays : tuple of overlays
    record : dict
        JSON: the choice, its reason, and per option the figures on validation.
    """

    name: str
    overlays: tuple[Known, ...]
    record: JSONDict


def default_overlays(bars: Bars, split: Split, bars_per_year: float) -> tuple[Known, ...]:
    """Return a volatility target at 1.25 times the market's volatility on train; none where that is 0."""
    moves = np.diff(np.log(bars.close[split.train]))
    volatility = float(moves.std(ddof=1)) * math.sqrt(bars_per_year)
    if not volatility > MIN_VOLATILITY:
        return ()
    return (VolatilityTarget(HEADROOM * volatility, WINDOW, bars_per_year),)


def choose_overlay(
    positions: FloatArray, bars: Bars, split: Split, costs: Costs, bars_per_year: float
) -> OverlayChoice:
    """Return the overlay for a policy's own positions, chosen on validation.

    Parameters
    ----------
    positions : ndarray of shape (n_bars,)
        Of the fit on train alone, without any overlay.
    bars, split : Bars, Split
        Only bars before the end of validation are read.
    costs : Costs
    bars_per_year : float

    Notes
    -----
    Another choice replaces the default only if its Sharpe ratio on validation is higher with a one-sided
    p-value of at most 0.025 (`trainingday.stats.hac`): on markets where overlays do nothing, the default
    is left in at most about 5 % of sessions.
    """
    target = default_overlays(bars, split, bars_per_year)
    stop = DrawdownStop(STOP_DEPTH, STOP_COOLDOWN, costs)
    options: dict[str, tuple[Known, ...]] = {TARGET: target, NONE: (), STOP: (*target, stop)}
    seen = bars[: split.validation.stop]
    results = {
        name: _backtest(
            seen,
            apply_overlays(overlays, seen, positions[: len(seen)]),
            split.validation,
            costs,
            bars_per_year,
        )
        for name, overlays in options.items()
    }
    default = NONE if not target else TARGET
    rows = {
        name: _row(result, results[default], options[name], bars_per_year) for name, result in results.items()
    }
    chosen = max(
        (name for name in options if name == default or _has_earned(rows[name])),
        key=lambda name: 0.0 if name == default else rows[name]["difference"],
    )
    record = {
        "chosen": chosen,
        "default": default,
        "level": LEVEL,
        "n_bars": split.validation.stop - split.validation.start,
        "reason": _reason(chosen, default, rows),
        "options": rows,
    }
    return OverlayChoice(chosen, options[chosen], record)


def _backtest(
    bars: Bars, positions: FloatArray, segment: slice, costs: Costs, bars_per_year: float
) -> BacktestResult:
    return run_backtest(bars[segment], positions[segment], costs, bars_per_year=bars_per_year)


def _row(
    result: BacktestResult, default: BacktestResult, overlays: tuple[Known, ...], bars_per_year: float
) -> JSONDict:
    try:
        found = compare_sharpe_ratios(result.returns, default.returns)
        difference, p_value = found.difference * math.sqrt(bars_per_year), found.p_value
    except InvalidArgument:  # one of them never traded
        difference, p_value = None, None
    metrics = result.metrics
    return {
        "overlays": [to_record(overlay) for overlay in overlays],
        "sharpe_ratio": metrics.sharpe_ratio,
        "total_return": metrics.total_return,
        "max_drawdown": metrics.max_drawdown,
        "turnover": metrics.turnover,
        "difference": difference,
        "p_value": p_value,
    }


def _has_earned(row: JSONDict) -> bool:
    return row["p_value"] is not None and row["p_value"] <= LEVEL and row["difference"] > 0


def _reason(chosen: str, default: str, rows: dict[str, JSONDict]) -> str:
    if chosen == default:
        return "No other choice has a Sharpe ratio on validation that is higher beyond chance, so the default stays."
    row = rows[chosen]
    return (
        f"Its Sharpe ratio on validation is {row['difference']:.2f} higher than the default's, "
        f"p = {row['p_value']:.2g}."
    )
