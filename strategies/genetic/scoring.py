"""The score of real strategies: every fold of validation in one call per family."""

from __future__ import annotations

import numpy as np

from strategies.genetic.evolve import Evaluation, Score
from strategies.genetic.fitness import FitnessOptions, fold_fitness, split_folds
from strategies.library.base import Family
from trainingday.backtest.engine import Costs
from trainingday.backtest.population import Scores, score_population
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray


def make_score(
    bars: Bars,
    validation: slice,
    costs: Costs,
    *,
    bars_per_year: float,
    options: FitnessOptions | None = None,
) -> Score[Family]:
    """Return the score function of a tournament.

    Parameters
    ----------
    bars : Bars
        Train and validation only; those before validation warm the indicators up.
    validation : slice
        The bars that fitness is measured on; cut in `options.n_folds` folds, each of which starts flat.
    costs : Costs
    bars_per_year : float
    options : FitnessOptions, optional

    Returns
    -------
    callable
        Its diagnostics, over the folds: `sharpe_ratio` (mean), `sharpe_lowest`, `total_return`
        (compounded), `max_drawdown` (deepest within a fold), `win_rate` (of all closed trades),
        `n_trades` (closed), `exposure` and `turnover` (mean), `costs_paid` (sum, as fractions of each
        fold's starting equity of 1).

    Raises
    ------
    InvalidArgument
        If the segment is empty or has a step, or is too short for the folds.
    """
    chosen = options or FitnessOptions()
    start, stop, step = validation.indices(len(bars))
    if step != 1:
        raise InvalidArgument(f"validation should have step 1, is {validation}")
    folds = split_folds(start, stop, chosen.n_folds)
    seen = bars[:stop]

    def score(family: Family, genomes: FloatArray) -> Evaluation:
        scores = score_population(seen, family, genomes, costs, folds, bars_per_year=bars_per_year)
        diagnostics = _summarise(scores)
        fitness = fold_fitness(scores.sharpe_ratio, diagnostics["n_trades"], chosen)
        return Evaluation(fitness, diagnostics)

    return score


def _summarise(scores: Scores) -> dict[str, FloatArray]:
    """Return one column per diagnostic, shape (n_candidates,), from columns per fold."""
    n_trades = scores.n_trades.astype(np.float64)
    n_closed = n_trades.sum(axis=1)
    n_won = np.where(n_trades > 0, scores.win_rate * n_trades, 0.0).sum(axis=1)
    return {
        "sharpe_ratio": scores.sharpe_ratio.mean(axis=1),
        "sharpe_lowest": scores.sharpe_ratio.min(axis=1),
        "total_return": (1 + scores.total_return).prod(axis=1) - 1,
        "max_drawdown": scores.max_drawdown.min(axis=1),
        "win_rate": np.where(n_closed > 0, n_won / np.maximum(n_closed, 1), np.nan),
        "n_trades": n_closed,
        "exposure": scores.exposure.mean(axis=1),
        "turnover": scores.turnover.mean(axis=1),
        "costs_paid": scores.costs_paid.sum(axis=1),
    }
