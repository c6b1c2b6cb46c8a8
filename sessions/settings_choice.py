"""Which settings become the candidate: an algorithm's defaults, unless the search found better ones beyond chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sessions.rl.hyperparameters import default_hyperparameters
from trainingday.backtest.result import BacktestResult
from trainingday.exceptions import InvalidArgument
from trainingday.stats.hac import compare_sharpe_ratios
from trainingday.typing import JSONDict

DEFAULTS, FOUND = "defaults", "found"
# Of the four, its defaults alone reached 0.80 of the oracle in every one of 48 trainings, docs/LEARNING.md.
ALGORITHM = "policy_gradient"
LEVEL = 0.05


def default_settings() -> JSONDict:
    """Return the hyperparameters that the search has to beat."""
    return default_hyperparameters(ALGORITHM).as_dict()


def choose_settings(
    found: BacktestResult | None,
    defaults: BacktestResult | None,
    *,
    found_scores: Sequence[float | None],
    n_trials: int,
    bars_per_year: float,
) -> JSONDict:
    """Return which of two ensembles becomes the candidate, and what validation said of them.

    Parameters
    ----------
    found, defaults : BacktestResult or None
        On validation, without overlay: seeds of the best trial's settings, and the same seeds of the
        default ones, each trading their mean position. None where every seed diverged; not both.
    found_scores : sequence of float or None
        Validation Sharpe ratios of the best trial's seeds.
    n_trials : int, > 0
        Trials of the search.
    bars_per_year : float

    Notes
    -----
    Found settings replace the defaults with a one-sided p-value of at most 0.05 (`trainingday.stats.hac`). The
    search has picked them on the very bars that compare them, but seeds of their own are compared, not the trial
    that won: how seldom that replaces defaults where nothing is better is measured in docs/LEARNING.md.
    """
    if n_trials < 1:
        raise InvalidArgument(f"n_trials should be > 0, is {n_trials}")
    difference, p_value = _compared(found, defaults, bars_per_year)
    is_better = p_value is not None and p_value <= LEVEL
    chosen = FOUND if defaults is None or is_better else DEFAULTS
    known = found or defaults
    return {
        "chosen": chosen,
        "algorithm": ALGORITHM,
        "n_trials": n_trials,
        "level": LEVEL,
        "n_bars": len(known.returns) if known is not None else 0,
        "found_sharpe": found.metrics.sharpe_ratio if found is not None else None,
        "found_scores": list(found_scores),
        "default_sharpe": defaults.metrics.sharpe_ratio if defaults is not None else None,
        "difference": difference,
        "p_value": p_value,
        "reason": _reason(found, defaults, n_trials, is_better),
    }


def _compared(
    found: BacktestResult | None, defaults: BacktestResult | None, bars_per_year: float
) -> tuple[float | None, float | None]:
    if found is None or defaults is None:
        return None, None
    try:
        compared = compare_sharpe_ratios(found.returns, defaults.returns)
    except InvalidArgument:  # the search's settings never traded
        return None, None
    return compared.difference * math.sqrt(bars_per_year), compared.p_value


def _reason(
    found: BacktestResult | None, defaults: BacktestResult | None, n_trials: int, is_better: bool
) -> str:
    if defaults is None:
        return "Every training with the default settings diverged."
    if found is None:
        return "Every training with the best trial's settings diverged, so the default settings stay."
    if is_better:
        return f"The best of {n_trials} trials is better than the default settings beyond chance."
    return (
        f"The best of {n_trials} trials is not better than the default settings beyond chance, so these stay."
    )
