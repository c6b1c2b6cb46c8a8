"""What a session's choices are worth on bars that it never saw: the warm start and the overlay.

    python -m bench.bench_sessions warm --seeds 5 --generations 5
    python -m bench.bench_sessions overlay --markets ar1_hourly regime_hourly --seeds 5

Each line is a paired difference of Sharpe ratios out of sample (or of drawdowns) over seeds, with Student's
95 % interval. Warm: generations whose signal drifts; one line of models is trained on from the generation
before, the other from scratch, by the exact gradient. Overlay: volatility target at 1.25 times train's
volatility, and the stop, against the policy alone, on bars whose volatility clusters.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.acceptance_tables import interval
from bench.bench_rl import COSTS, TEST_SEED, market, sharpe, with_settings
from sessions.overlay_choice import NONE, STOP, TARGET, choose_overlay
from sessions.rl.hyperparameters import default_hyperparameters
from sessions.rl.search import TrialTask, train_member
from tests.markets import bars_from_log_returns
from trainingday.backtest.engine import run_backtest
from trainingday.backtest.overlay_records import apply_overlays, from_records
from trainingday.bars import Bars
from trainingday.compute.bundles import save_bundle
from trainingday.markets.splits import Split
from trainingday.policy.ensemble import PolicyEnsemble

N_TRAIN, N_PURGE, N_VALIDATION, N_TEST = 20_000, 200, 8_000, 50_000
HOURLY = 8760.0


def task_of(bars: Bars, folder: Path, name: str, bars_per_year: float) -> TrialTask:
    path = folder / f"{name}.npz"
    save_bundle(path, bars)
    end = N_TRAIN + N_PURGE
    return TrialTask({}, 0, str(path), (0, N_TRAIN), (end, end + N_VALIDATION), COSTS, bars_per_year)


def drifting_bars(generation: int, n_bars: int, seed: int) -> Bars:
    """Return AR(1) hourly bars whose autocorrelation goes from 0.08 to 0.16 in five generations."""
    rng = np.random.default_rng((seed, generation))
    phi, shocks = 0.08 + 0.02 * generation, 0.006 * rng.standard_normal(n_bars)
    returns = np.empty(n_bars)
    returns[0] = shocks[0]
    for bar in range(1, n_bars):
        returns[bar] = phi * returns[bar - 1] + shocks[bar]
    return bars_from_log_returns(returns, rng)


def warm(options: argparse.Namespace) -> None:
    print("out-of-sample Sharpe, warm start minus from scratch, at equal steps; AR(1) that drifts")
    settings = default_hyperparameters("policy_gradient").as_dict()
    by_generation: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            start = None
            for generation in range(options.generations):
                bars = drifting_bars(generation, N_TRAIN + N_PURGE + N_VALIDATION, seed)
                task = task_of(bars, Path(folder), f"drift-{seed}-{generation}", HOURLY)
                scratch = train_member(with_settings(task, settings, seed)).network
                if start is not None:
                    continued = train_member(with_settings(task, settings, seed, start=start)).network
                    later = drifting_bars(generation, N_TEST, TEST_SEED + seed)
                    pair = [
                        sharpe(later, PolicyEnsemble((network,)).positions_on(later), HOURLY)
                        for network in (continued, scratch)
                    ]
                    by_generation.setdefault(generation, []).append(pair[0] - pair[1])
                    print(
                        f"  seed {seed} generation {generation}: warm {pair[0]:.2f}, scratch {pair[1]:.2f}",
                        flush=True,
                    )
                    start = continued
                else:
                    start = scratch
    for generation, differences in by_generation.items():
        print(f"generation {generation}     {interval(differences)}")
    by_seed = [statistics.mean(values) for values in zip(*by_generation.values(), strict=True)]
    print(f"mean of a seed's {interval(by_seed)}")


def clustered(bars: Bars, seed: int) -> Bars:
    """Return bars whose log returns are stretched by a slow volatility of between about half and twice."""
    rng = np.random.default_rng((seed, 7))
    level, levels = 0.0, np.empty(len(bars))
    for bar in range(len(bars)):
        level = 0.998 * level + 0.025 * rng.standard_normal()
        levels[bar] = level
    moves = np.diff(np.log(bars.close), prepend=math.log(bars.open[0]))
    stretched = bars_from_log_returns(moves * np.exp(levels), rng)
    return replace(stretched, timestamps=bars.timestamps)


def overlay(options: argparse.Namespace) -> None:
    print("out of sample, overlay minus the policy alone; drawdown: positive is shallower")
    for name in options.markets or ("ar1_hourly", "mixture_hourly", "regime_hourly"):
        gains: dict[str, list[tuple[float, float]]] = {TARGET: [], STOP: []}
        chosen = []
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(options.seeds):
                known, year = market(name, N_TRAIN + N_PURGE + N_VALIDATION, seed)
                bars = clustered(known, seed)
                task = task_of(bars, Path(folder), f"{name}-{seed}", year)
                settings = default_hyperparameters("policy_gradient").as_dict()
                policy = PolicyEnsemble((train_member(with_settings(task, settings, seed)).network,))
                segments = (slice(*task.train), slice(*task.validation), slice(0, 0), slice(0, 0))
                choice = choose_overlay(
                    policy.positions_on(bars), bars, Split(*segments, N_PURGE), COSTS, year
                )
                chosen.append(choice.name)
                later = clustered(market(name, N_TEST, TEST_SEED + seed)[0], TEST_SEED + seed)
                plain = policy.positions_on(later)
                for option, rows in gains.items():
                    overlays = from_records(choice.record["options"][option]["overlays"])
                    results = [
                        run_backtest(later, positions, COSTS, bars_per_year=year).metrics
                        for positions in (apply_overlays(overlays, later, plain), plain)
                    ]
                    with_it, without = results
                    rows.append(
                        (
                            (with_it.sharpe_ratio or 0.0) - (without.sharpe_ratio or 0.0),
                            (with_it.max_drawdown or 0.0) - (without.max_drawdown or 0.0),
                        )
                    )
        for option, rows in gains.items():
            ratios, falls = ([row[column] for row in rows] for column in (0, 1))
            print(
                f"{name:16s} {option}\n  Sharpe   {interval(ratios)}\n  drawdown {interval(falls)}",
                flush=True,
            )
        print(f"  chosen: {', '.join(f'{each} {chosen.count(each)}' for each in (TARGET, NONE, STOP))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["warm", "overlay"], default=None)
    parser.add_argument("--markets", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--generations", type=int, default=5)
    options = parser.parse_args()
    parts = {"warm": warm, "overlay": overlay}
    for part in [options.part] if options.part else parts:
        parts[part](options)


if __name__ == "__main__":
    main()
