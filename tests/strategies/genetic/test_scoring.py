"""The score of real strategies, and evolution on planted and on empty markets."""

from __future__ import annotations

import numpy as np
import pytest

from strategies.genetic.evolve import Evolution, evolve
from strategies.genetic.fitness import FitnessOptions
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.scoring import make_score
from strategies.library.base import Family
from strategies.library.breakout import Breakout
from strategies.library.flat import Flat
from strategies.library.mean_reversion import MeanReversion
from strategies.library.momentum import Momentum
from tests.markets import autoregressive_bars, gaussian_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.population import score_population
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, NotEnoughBars

HOURS = 8760
COSTS = Costs(fee=0.0001, slippage=0.0001)
FOLDS = (slice(600, 900), slice(900, 1200))
OPTIONS = FitnessOptions(n_folds=2, spread_penalty=0.5, min_trades=10)
FAMILIES: tuple[Family, ...] = (Momentum(), MeanReversion(), Breakout())


def test_fitness_and_diagnostics_are_those_of_one_backtest_per_fold() -> None:
    bars, momentum = autoregressive_bars(1500, seed=3), Momentum()
    score = make_score(bars, slice(600, 1200), COSTS, bars_per_year=HOURS, options=OPTIONS)
    evaluation = score(momentum, np.array([[3.0, 0.004], [20.0, 0.02]]))
    positions = momentum.positions(bars, {"lookback": 3, "threshold": 0.004})
    one, two = (run_backtest(bars[f], positions[f], COSTS, bars_per_year=HOURS).metrics for f in FOLDS)
    sharpes = [one.sharpe_ratio, two.sharpe_ratio]
    expected = {
        "sharpe_ratio": np.mean(sharpes),
        "sharpe_lowest": min(sharpes),
        "total_return": (1 + one.total_return) * (1 + two.total_return) - 1,
        "max_drawdown": min(one.max_drawdown, two.max_drawdown),
        "win_rate": (one.win_rate * one.n_trades + two.win_rate * two.n_trades)
        / (one.n_trades + two.n_trades),
        "n_trades": one.n_trades + two.n_trades,
        "exposure": (one.exposure + two.exposure) / 2,
        "turnover": (one.turnover + two.turnover) / 2,
        "costs_paid": one.costs_paid + two.costs_paid,
    }
    assert set(evaluation.diagnostics) == set(expected)
    for name, value in expected.items():
        assert evaluation.diagnostics[name][0] == pytest.approx(value, rel=1e-9), name
    assert evaluation.fitness[0] == pytest.approx(
        np.mean(sharpes) - 0.5 * abs(sharpes[0] - sharpes[1]) / np.sqrt(2), rel=1e-9
    )


def test_it_never_reads_bars_after_validation() -> None:
    bars = autoregressive_bars(1500, seed=3)
    close = bars.close.copy()
    close[1200:] *= 3
    altered = Bars(bars.timestamps, bars.open, bars.high, bars.low, close, bars.volume, bars.gap_before)
    genomes = np.array([[3.0, 0.004], [20.0, 0.02]])
    for family in FAMILIES[:1]:
        one, two = (
            make_score(b, slice(600, 1200), COSTS, bars_per_year=HOURS, options=OPTIONS)(family, genomes)
            for b in (bars, altered)
        )
        np.testing.assert_array_equal(one.fitness, two.fitness)


def test_a_family_that_never_trades_has_no_fitness() -> None:
    score = make_score(gaussian_bars(1000, 1), slice(0, 1000), COSTS, bars_per_year=HOURS)
    evaluation = score(Flat(), np.empty((1, 0)))
    assert evaluation.fitness[0] == -np.inf
    assert evaluation.diagnostics["n_trades"][0] == 0


def test_segments_that_cannot_be_scored_are_refused() -> None:
    bars = gaussian_bars(500, 1)
    with pytest.raises(NotEnoughBars, match="segment should hold >= 124 bars for 4 folds, holds 100"):
        make_score(bars, slice(400, 500), COSTS, bars_per_year=HOURS)
    with pytest.raises(InvalidArgument, match="validation should have step 1"):
        make_score(bars, slice(0, 500, 2), COSTS, bars_per_year=HOURS)


def tournament(bars: Bars, costs: Costs, seed: int) -> Evolution:
    """Run the honesty benchmark's population, four of ten by six generations, on bars 6,250..10,250."""
    score = make_score(bars, slice(6250, 10_250), costs, bars_per_year=HOURS)
    options = EvolutionOptions(population_size=40, n_generations=6, min_diversity=0.0, seed=seed)
    return evolve(FAMILIES, score, options)


def later_sharpe(evolution: Evolution, bars: Bars, costs: Costs) -> float:
    """Return the winner's Sharpe ratio on the 4,000 bars after a gap of 250; 0 where it does not trade."""
    winner = evolution.winner
    assert winner is not None
    family = next(one for one in FAMILIES if one.name == winner.family)
    genome = np.array([winner.parameters])
    scores = score_population(bars, family, genome, costs, slice(10_500, 14_500), bars_per_year=HOURS)
    return float(np.nan_to_num(scores.sharpe_ratio[0]))


@pytest.mark.slow
def test_on_a_planted_market_the_winner_earns_on_later_bars_and_beats_the_defaults() -> None:
    costs, later, defaults = Costs(fee=0.0001, slippage=0.0001), [], []
    for seed in range(12):
        bars = autoregressive_bars(14_500, seed=100 + seed, phi=0.15, sigma=0.005)
        evolution = tournament(bars, costs, seed)
        later.append(later_sharpe(evolution, bars, costs))
        founders = [one.fitness for one in evolution.individuals[:3] if one.fitness is not None]
        defaults.append(max(founders, default=-np.inf))
        assert evolution.winner is not None
        assert evolution.winner.fitness is not None
        assert evolution.winner.fitness > defaults[-1]
    mean, error = np.mean(later), np.std(later, ddof=1) / np.sqrt(len(later))
    assert mean > 3 * error, f"later Sharpe {mean:.2f} +- {error:.2f}"
    assert mean > 1


@pytest.mark.slow
def test_on_a_market_without_signal_validation_rises_and_later_bars_stay_at_zero() -> None:
    free, rise, later = Costs(fee=0.0, slippage=0.0), [], []
    for seed in range(24):
        bars = gaussian_bars(14_500, seed=500 + seed)
        evolution = tournament(bars, free, seed)
        rise.append(evolution.generations[-1].best - evolution.generations[0].best)
        later.append(later_sharpe(evolution, bars, free))
    assert min(rise) >= 0
    assert np.mean(rise) > 0.2
    # A Sharpe ratio over 4,000 hours has a standard error of sqrt(8760 / 4000) = 1.48 a year.
    assert abs(np.mean(later)) < 3 * 1.48 / np.sqrt(len(later))
