"""Scores of entrants on validation: the fitness that selection uses, and the figures that rows keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strategies.genetic.evolve import Evaluation
from strategies.genetic.fitness import FitnessOptions, fold_fitness, split_folds
from strategies.genetic.genes import BreedingFamily
from strategies.library.base import Family
from strategies.positions import positions_by
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.population import Scores, score_population
from trainingday.backtest.result import BacktestResult, Metrics, compute_metrics
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray

# Few enough that a cancel is seen within seconds, many enough to share indicators.
CHUNK = 128
MAX_COST = 0.1
FIGURES = ("sharpe_ratio", "total_return", "max_drawdown", "win_rate", "n_trades", "turnover")


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
        if len(self.bars) != self.validation.stop:
            raise InvalidArgument(
                f"bars should end with validation at {self.validation.stop}, hold {len(self.bars)}"
            )

    def __call__(self, family: BreedingFamily, genomes: FloatArray) -> Evaluation:
        """Return the evaluations of parameter vectors, shape (n, n_genes), of one family."""
        if isinstance(family, FrozenEntrant):
            self.on_progress(1)
            return self.of_positions(positions_by(family.name, {}, family.artifact, self.bars))
        if not isinstance(family, Family):
            raise InvalidArgument(f"family should be of the library or frozen, is {family.name}")
        parts = []
        for start in range(0, genomes.shape[0], CHUNK):
            chunk = genomes[start : start + CHUNK]
            self.on_progress(chunk.shape[0])
            parts.append(self._of_family(family, chunk))
        return _joined(parts)

    def of_positions(self, positions: FloatArray, *, needs_trades: bool = True) -> Evaluation:
        """Return the evaluation of one series of positions over `bars`, as an array of one."""
        whole = self._metrics(positions, self.validation, self.costs)
        folds = [self._metrics(positions, fold, self.costs).sharpe_ratio for fold in self._folds()]
        ratios = np.array([[np.nan if ratio is None else ratio for ratio in folds]])
        stressed = self._metrics(positions, self.validation, self._double_costs()).sharpe_ratio
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

    def _of_family(self, family: Family, genomes: FloatArray) -> Evaluation:
        segments = [self.validation, *self._folds()]
        scores = self._population(family, genomes, self.costs, segments)
        stressed = self._population(family, genomes, self._double_costs(), [self.validation])
        diagnostics = {name: getattr(scores, name)[:, 0].astype(np.float64) for name in FIGURES}
        diagnostics["sharpe_double_costs"] = stressed.sharpe_ratio[:, 0]
        fitness = fold_fitness(scores.sharpe_ratio[:, 1:], diagnostics["n_trades"], self.options)
        return Evaluation(fitness, diagnostics)

    def _population(self, family: Family, genomes: FloatArray, costs: Costs, segments: list[slice]) -> Scores:
        return score_population(self.bars, family, genomes, costs, segments, bars_per_year=self.bars_per_year)

    def _metrics(self, positions: FloatArray, segment: slice, costs: Costs) -> Metrics:
        return compute_metrics(self._backtest(positions, segment, costs), with_interval=False)

    def _backtest(self, positions: FloatArray, segment: slice, costs: Costs) -> BacktestResult:
        return run_backtest(self.bars[segment], positions[segment], costs, bars_per_year=self.bars_per_year)

    def _folds(self) -> tuple[slice, ...]:
        return split_folds(self.validation.start, self.validation.stop, self.options.n_folds)

    def _double_costs(self) -> Costs:
        return Costs(fee=min(2 * self.costs.fee, MAX_COST), slippage=min(2 * self.costs.slippage, MAX_COST))


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _joined(parts: list[Evaluation]) -> Evaluation:
    return Evaluation(
        np.concatenate([part.fitness for part in parts]),
        {name: np.concatenate([part.diagnostics[name] for part in parts]) for name in parts[0].diagnostics},
    )
