"""Measure a tournament: 100 generations x 1,000 individuals of the four seed families on 20,000 bars.

Run: python -m bench.bench_genetic [--generations 100] [--population 1000] [--bars 20000]

One thread; CPU seconds beside wall seconds, as others may use the machine. The fourth seed family, ml_model,
stands in as a fixed policy of random weights: like the real one it has no parameter, so one individual per
generation holds its niche. The figure against one backtest per individual counts its positions, backtest and
metrics, all compiled before the clock starts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

import numpy as np

from strategies.genetic.evolve import Evaluation, evolve
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.population import Individual
from strategies.genetic.scoring import make_score
from strategies.library.base import Family
from strategies.library.breakout import Breakout
from strategies.library.mean_reversion import MeanReversion
from strategies.library.momentum import Momentum
from tests.markets import autoregressive_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.result import compute_metrics
from trainingday.bars import Bars
from trainingday.typing import FloatArray

HOURS_PER_YEAR = 8760
COSTS = Costs(fee=0.001, slippage=0.0005)


class FixedModel(Family):
    """A linear policy over the last 20 returns with fixed random weights."""

    name, title, meaning, source = "ml_model", "Model", "Stand-in for a trained policy.", "bench"

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
        weights = np.random.default_rng(0).standard_normal(20)
        returns = np.diff(np.log(bars.close), prepend=np.log(bars.close[0]))
        signal = np.convolve(returns, weights)[: len(bars)]
        return np.sign(np.where(np.abs(signal) > 2 * signal.std(), signal, 0.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generations", type=int, default=100)
    parser.add_argument("--population", type=int, default=1000)
    parser.add_argument("--bars", type=int, default=20_000)
    parser.add_argument("--single", type=int, default=200, help="single backtests timed for comparison")
    arguments = parser.parse_args()
    families = [Momentum(), MeanReversion(), Breakout(), FixedModel()]
    bars = autoregressive_bars(arguments.bars, seed=1)
    measured = make_score(bars, slice(0, len(bars)), COSTS, bars_per_year=HOURS_PER_YEAR)
    spent = {family.name: 0.0 for family in families}  # CPU seconds

    def score(family: Family, genomes: FloatArray) -> Evaluation:
        started = time.process_time()
        evaluation = measured(family, genomes)
        spent[family.name] += time.process_time() - started
        return evaluation

    for family in families:  # compile, or load from numba's cache
        measured(family, np.array([[parameter.default for parameter in family.parameters]]))
    options = EvolutionOptions(arguments.population, arguments.generations, min_diversity=0.0, seed=1)
    started, started_wall = time.process_time(), time.perf_counter()
    evolution = evolve(families, score, options)
    total, wall = time.process_time() - started, time.perf_counter() - started_wall
    scoring = sum(spent.values())
    print(f"{arguments.generations} generations x {arguments.population} on {arguments.bars} bars")
    print(f"individuals {len(evolution.individuals)}, scored {evolution.n_evaluations}")
    print(f"wall      {wall:8.2f} s")
    print(f"CPU       {total:8.2f} s")
    print(f"breeding  {total - scoring:8.2f} s")
    for name, seconds in spent.items():
        print(f"scoring   {seconds:8.2f} s  {name}")
    for stats in evolution.generations[:: max(1, arguments.generations // 10)]:
        best, median = stats.best or np.nan, stats.median or np.nan
        print(
            f"generation {stats.generation:3d}: best {best:7.3f} median {median:7.3f} diversity {stats.diversity:.3f}"
        )
    if evolution.winner is not None:
        print(f"winner {evolution.winner.uid} {evolution.winner.family} {evolution.winner.parameters}")
    compare(
        families[:3], evolution.individuals[-1000:], bars, arguments.single, total, evolution.n_evaluations
    )


def compare(
    families: list[Family],
    individuals: tuple[Individual, ...],
    bars: Bars,
    n: int,
    total: float,
    n_evaluations: int,
) -> None:
    """Print the ratio to one backtest per individual with its metrics."""
    by_name = {family.name: family for family in families}
    chosen = [one for one in individuals if one.family in by_name][:: max(1, len(individuals) // n)][:n]

    def backtest(one: Individual) -> None:
        family = by_name[one.family]
        names = [parameter.name for parameter in family.parameters]
        positions = family.positions(bars, dict(zip(names, one.parameters, strict=True)))
        result = run_backtest(bars, positions, COSTS, bars_per_year=HOURS_PER_YEAR)
        compute_metrics(result, with_interval=False)

    for one in chosen[:3]:
        backtest(one)
    started = time.process_time()
    for one in chosen:
        backtest(one)
    each = (time.process_time() - started) / len(chosen)
    print(f"one backtest per individual: {each * 1000:.2f} ms CPU each, {each * n_evaluations:.0f} s for all")
    print(f"ratio {each * n_evaluations / total:.1f} (breeding included)")


if __name__ == "__main__":
    main()
