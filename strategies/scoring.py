"""Scores of entrants on validation: the fitness that selection uses, and the figures that rows keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strategies.genetic.chunks import FIGURES, Terms, cut, joined, score_chunk
from strategies.genetic.evolve import Evaluation
from strategies.genetic.fitness import FitnessOptions, fold_fitness
from strategies.genetic.genes import BreedingFamily
from strategies.library.base import Family
from strategies.positions import positions_by
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.result import BacktestResult, Metrics, compute_metrics
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray


@dataclass(frozen=True)
class FrozenEntrant:
    """A trained model or a frozen pattern set as an entrant: a family without genes."""

    name: str
    artifact: str
    parameters: tuple[()] = ()


@dataclass(frozen=True, eq=False)
class ValidationScorer:
    """Scores entrants on one validation segment, net of costs.

    Attributes
    ----------
    bars : Bars
        Up to the end of validation: what lies behind it cannot be seen.
    validation : slice
        The bars that count; those before warm the indicators up.
    costs : Costs
    bars_per_year : float
    options : FitnessOptions
    on_progress : callable
        Called between chunks of entrants with how many have been scored; may raise to stop.
    """

    bars: Bars
    validation: slice
    costs: Costs
    bars_per_year: float
    options: FitnessOptions
    on_progress: Callable[[int], None] = lambda n_scored: None

    def __post_init__(self) -> None:
        self.terms.check(self.bars)

    @property
    def terms(self) -> Terms:
        return Terms(self.validation, self.costs, self.bars_per_year, self.options)

    def __call__(self, family: BreedingFamily, genomes: FloatArray) -> Evaluation:
        """Return the evaluations of parameter vectors, shape (n, n_genes), of one family."""
        if isinstance(family, FrozenEntrant):
            self.on_progress(1)
            return self.of_positions(positions_by(family.name, {}, family.artifact, self.bars))
        if not isinstance(family, Family):
            raise InvalidArgument(f"family should be of the library or frozen, is {family.name}")
        parts = []
        for chunk in cut(genomes):
            self.on_progress(chunk.shape[0])
            parts.append(score_chunk(self.bars, family, chunk, self.terms))
        return joined(parts)

    def of_positions(self, positions: FloatArray, *, needs_trades: bool = True) -> Evaluation:
        """Return the evaluation of one series of positions over `bars`, as an array of one."""
        whole = self._metrics(positions, self.validation, self.costs)
        folds = [self._metrics(positions, fold, self.costs).sharpe_ratio for fold in self.terms.folds]
        ratios = np.array([[np.nan if ratio is None else ratio for ratio in folds]])
        stressed = self._metrics(positions, self.validation, self.terms.double_costs).sharpe_ratio
        diagnostics = {name: np.array([_or_nan(getattr(whole, name))]) for name in FIGURES}
        diagnostics["sharpe_double_costs"] = np.array([_or_nan(stressed)])
        n_trades = diagnostics["n_trades"] if needs_trades else np.array([np.inf])
        return Evaluation(fold_fitness(ratios, n_trades, self.options), diagnostics)

    def returns(self, positions: FloatArray) -> FloatArray:
        """Return the net returns on validation, shape (n_validation - 1,), of positions over `bars`."""
        return self._backtest(positions, self.validation, self.costs).returns

    def equity(self, positions: FloatArray) -> FloatArray:
        """Return the equity on validation, shape (n_validation,), from 1, of positions over `bars`."""
        return self._backtest(positions, self.validation, self.costs).equity

    def sharpe_on(self, positions: FloatArray, segment: slice) -> float | None:
        """Return the annualised Sharpe ratio on a segment of `bars`, net of costs, of positions over `bars`."""
        return self._metrics(positions, segment, self.costs).sharpe_ratio

    def _metrics(self, positions: FloatArray, segment: slice, costs: Costs) -> Metrics:
        return compute_metrics(self._backtest(positions, segment, costs), with_interval=False)

    def _backtest(self, positions: FloatArray, segment: slice, costs: Costs) -> BacktestResult:
        return run_backtest(self.bars[segment], positions[segment], costs, bars_per_year=self.bars_per_year)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)
