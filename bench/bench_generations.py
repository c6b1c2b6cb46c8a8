"""Measure what evolution buys: validation and later Sharpe of each generation's best, planted and null.

Run: python -m bench.bench_generations [--markets 40]

The honesty benchmark's tournament (EVIDENCE.md): 40 individuals, 6 generations, bars 6,000 | 4,000 |
4,000 with gaps of 250. Planted: AR(1) returns, phi 0.15, 2 bp per side. Null: independent normal returns,
no costs. The later bars are read here only because these markets are made up; a tournament never may.
"""

from __future__ import annotations

import argparse

import numpy as np

from strategies.genetic.evolve import evolve
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.scoring import make_score
from strategies.library.base import Family
from strategies.library.breakout import Breakout
from strategies.library.mean_reversion import MeanReversion
from strategies.library.momentum import Momentum
from tests.markets import autoregressive_bars, gaussian_bars
from trainingday.backtest.engine import Costs
from trainingday.backtest.population import score_population
from trainingday.bars import Bars
from trainingday.typing import FloatArray

HOURS_PER_YEAR = 8760
N_BARS, VALIDATION, LATER = 14_500, slice(6250, 10_250), slice(10_500, 14_500)
FAMILIES: tuple[Family, ...] = (Momentum(), MeanReversion(), Breakout())


def by_generation(bars: Bars, costs: Costs, seed: int) -> FloatArray:
    """Return validation fitness, later Sharpe and later win rate, shape (n_generations, 3)."""
    score = make_score(bars, VALIDATION, costs, bars_per_year=HOURS_PER_YEAR)
    options = EvolutionOptions(population_size=40, n_generations=6, min_diversity=0.0, seed=seed)
    evolution = evolve(FAMILIES, score, options)
    by_uid = {one.uid: one for one in evolution.individuals}
    rows = []
    for stats in evolution.generations:
        best = by_uid[stats.best_uid or ""]
        family = next(one for one in FAMILIES if one.name == best.family)
        genome = np.array([best.parameters])
        later = score_population(bars, family, genome, costs, LATER, bars_per_year=HOURS_PER_YEAR)
        rows.append([stats.best, later.sharpe_ratio[0], later.win_rate[0]])
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=40)
    n_markets = parser.parse_args().markets
    planted, free = Costs(fee=0.0001, slippage=0.0001), Costs(fee=0.0, slippage=0.0)
    for title, make, costs in (
        ("planted", lambda seed: autoregressive_bars(N_BARS, seed=seed, phi=0.15, sigma=0.005), planted),
        ("null", lambda seed: gaussian_bars(N_BARS, seed=seed), free),
    ):
        tables = np.array([by_generation(make(10_000 + seed), costs, seed) for seed in range(n_markets)])
        mean = np.nanmean(tables, axis=0)
        error = np.nanstd(tables, axis=0, ddof=1) / np.sqrt(n_markets)
        print(f"{title}: {n_markets} markets, mean +- standard error")
        for generation in range(mean.shape[0]):
            cells = [f"{m:7.3f} +- {e:.3f}" for m, e in zip(mean[generation], error[generation], strict=True)]
            print(
                f"  generation {generation}: validation fitness {cells[0]}  later Sharpe {cells[1]}  win rate {cells[2]}"
            )


if __name__ == "__main__":
    main()
