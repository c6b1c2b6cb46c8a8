"""The evaluation of one chunk of a family's entrants on validation: pure, so that any process may work it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from strategies.genetic.evolve import Evaluation
from strategies.genetic.fitness import FitnessOptions, fold_fitness, split_folds
from strategies.library.base import Family
from trainingday.backtest.engine import MAX_COST, Costs
from trainingday.backtest.population import Scores, score_population
from trainingday.bars import Bars
from trainingday.compute.bundles import kept_bundle
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray

# Few enough that a cancel is seen within seconds, many enough to share indicators.
CHUNK = 128
FIGURES = ("sharpe_ratio", "total_return", "max_drawdown", "win_rate", "n_trades", "turnover")


@dataclass(frozen=True)
class Terms:
    """What entrants are scored under, net of costs.

    Attributes
    ----------
    validation : slice
        The bars that count; those before warm the indicators up.
    costs : Costs
    bars_per_year : float
    options : FitnessOptions
    """

    validation: slice
    costs: Costs
    bars_per_year: float
    options: FitnessOptions

    def check(self, bars: Bars) -> None:
        """Raise InvalidArgument unless the bars end with validation: what lies behind it cannot be seen."""
        if len(bars) != self.validation.stop:
            raise InvalidArgument(
                f"bars should end with validation at {self.validation.stop}, hold {len(bars)}"
            )

    @property
    def folds(self) -> tuple[slice, ...]:
        return split_folds(self.validation.start, self.validation.stop, self.options.n_folds)

    @property
    def double_costs(self) -> Costs:
        return Costs(fee=min(2 * self.costs.fee, MAX_COST), slippage=min(2 * self.costs.slippage, MAX_COST))


@dataclass(frozen=True, eq=False)
class ChunkTask:
    """All that the evaluation of one chunk depends on; equal tasks give equal results, in any process.

    Attributes
    ----------
    family : Family
    genomes : ndarray of shape (n, n_genes), n <= CHUNK
    terms : Terms
    bundle : str
        Path of a `save_bundle` file that ends with validation; empty until a worker has it (see `at`).
    """

    family: Family
    genomes: FloatArray
    terms: Terms
    bundle: str = ""

    def at(self, bundle: str, scratch: Path) -> ChunkTask:
        """Return the same task for a machine that has its bars in this file."""
        return replace(self, bundle=bundle)


def cut(genomes: FloatArray) -> Iterator[FloatArray]:
    """Yield the chunks of parameter vectors, shape (n, n_genes), that are scored together."""
    for start in range(0, genomes.shape[0], CHUNK):
        yield genomes[start : start + CHUNK]


def evaluate_chunk(task: ChunkTask) -> Evaluation:
    """Return the evaluations of a chunk on a worker."""
    bars = kept_bundle(task.bundle)
    task.terms.check(bars)
    return score_chunk(bars, task.family, task.genomes, task.terms)


def score_chunk(bars: Bars, family: Family, genomes: FloatArray, terms: Terms) -> Evaluation:
    """Return the evaluations of parameter vectors, shape (n, n_genes), of one family."""

    def scores(costs: Costs, segments: list[slice]) -> Scores:
        return score_population(bars, family, genomes, costs, segments, bars_per_year=terms.bars_per_year)

    measured = scores(terms.costs, [terms.validation, *terms.folds])
    stressed = scores(terms.double_costs, [terms.validation])
    diagnostics = {name: getattr(measured, name)[:, 0].astype(np.float64) for name in FIGURES}
    diagnostics["sharpe_double_costs"] = stressed.sharpe_ratio[:, 0]
    fitness = fold_fitness(measured.sharpe_ratio[:, 1:], diagnostics["n_trades"], terms.options)
    return Evaluation(fitness, diagnostics)


def joined(parts: list[Evaluation]) -> Evaluation:
    """Return the evaluation of all chunks of a family, in the order of `cut`."""
    return Evaluation(
        np.concatenate([part.fitness for part in parts]),
        {name: np.concatenate([part.diagnostics[name] for part in parts]) for name in parts[0].diagnostics},
    )
