"""Algorithms at their defaults on markets of known truth; whole sessions are in `bench_acceptance`.

    python -m bench.bench_rl planted --algorithm policy_gradient --seeds 10
    python -m bench.bench_rl null --algorithm policy_gradient --seeds 10
    python -m bench.bench_rl ensemble --markets ou_daily --groups 8

Train 50,000 bars, keep the best checkpoint on the 20,000 after a purge, test on 100,000 bars of another path.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.oracle import oracle_positions
from sessions.rl.hyperparameters import ALGORITHMS, default_hyperparameters
from sessions.rl.monitor import rank_value
from sessions.rl.rewards import risk_aversion
from sessions.rl.search import TrialTask, train_member
from tests.markets import PLANTED, bars_from_log_returns, null_returns, planted_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.bars import Bars
from trainingday.compute.bundles import save_bundle
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.policy.network import PolicyNetwork

N_TRAIN, N_PURGE, N_VALIDATION, N_TEST = 50_000, 200, 20_000, 100_000
COSTS = Costs(0.0005, 0.0)
TEST_SEED = 1_000_000
NULLS = {"gaussian": 8760.0, "garch": 8760.0, "student": 8760.0}


def market(name: str, n_bars: int, seed: int) -> tuple[Bars, float]:
    """Return bars and bars per year of a planted or null market."""
    if name in PLANTED:
        return planted_bars(name, n_bars, seed), PLANTED[name][0]
    rng = np.random.default_rng(seed)
    return bars_from_log_returns(null_returns(name, n_bars, rng), rng), NULLS[name]


def sharpe(bars: Bars, positions: np.ndarray, bars_per_year: float) -> float:
    """Return the Sharpe ratio after fees; 0 for a path that stays flat."""
    return rank_value(run_backtest(bars, positions, COSTS, bars_per_year=bars_per_year).metrics.sharpe_ratio)


def base_task(name: str, seed: int, folder: Path) -> TrialTask:
    bars, bars_per_year = market(name, N_TRAIN + N_PURGE + N_VALIDATION, seed)
    path = folder / f"{name}-{seed}.npz"
    save_bundle(path, bars)
    end = N_TRAIN + N_PURGE
    return TrialTask({}, seed, str(path), (0, N_TRAIN), (end, end + N_VALIDATION), COSTS, bars_per_year)


def with_settings(
    task: TrialTask, hyperparameters: dict[str, object], seed: int, **more: object
) -> TrialTask:
    return TrialTask(**{**vars(task), "hyperparameters": hyperparameters, "seed": seed, **more})


def outcomes(name: str, options: argparse.Namespace) -> Iterator[tuple[float, float, float]]:
    """Yield Sharpe ratio out of sample, the oracle's (0 on a null market), and CPU seconds, seed by seed."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            task, began = base_task(name, seed, Path(folder)), time.process_time()
            settings = default_hyperparameters(options.algorithm).as_dict()
            policy = PolicyEnsemble((train_member(with_settings(task, settings, seed)).network,))
            seconds = time.process_time() - began
            bars, bars_per_year = market(name, N_TEST, TEST_SEED + seed)
            best = 0.0
            if name in PLANTED:
                path = oracle_positions(name, bars, COSTS.fee, risk_aversion(bars_per_year))
                best = sharpe(bars, path, bars_per_year)
            yield sharpe(bars, policy.positions_on(bars), bars_per_year), best, seconds


def planted(options: argparse.Namespace) -> None:
    print("market            seeds  share of the oracle's Sharpe: median  min  >=0.80   oracle   CPU s each")
    for name in options.markets or PLANTED:
        rows = list(outcomes(name, options))
        shares = [score / best for score, best, _ in rows]
        oracle, seconds = (statistics.median(row[column] for row in rows) for column in (1, 2))
        print(
            f"{name:17s} {len(rows):5d} {statistics.median(shares):36.2f} {min(shares):6.2f} "
            f"{sum(share >= 0.8 for share in shares):3d}/{len(rows)} {oracle:8.2f} {seconds:9.1f}",
            flush=True,
        )


def null(options: argparse.Namespace) -> None:
    print("market          seeds  Sharpe out of sample after fees: median  max")
    for name in options.markets or NULLS:
        scores = [score for score, _, _ in outcomes(name, options)]
        print(f"{name:15s} {len(scores):5d} {statistics.median(scores):40.2f} {max(scores):5.2f}", flush=True)


def ensemble(options: argparse.Namespace) -> None:
    """Compare the spread over groups of five seeds trading the mean with that of single models."""
    for name in options.markets or ("ar1_hourly", "mixture_hourly", "regime_hourly"):
        with tempfile.TemporaryDirectory() as folder:
            task = base_task(name, options.first_seed, Path(folder))
            settings = default_hyperparameters(options.algorithm).as_dict()
            networks: list[PolicyNetwork] = [
                train_member(with_settings(task, settings, seed)).network
                for seed in range(5 * options.groups)
            ]
        bars, bars_per_year = market(name, N_TEST, TEST_SEED + options.first_seed)
        groups = [networks[start : start + 5] for start in range(0, len(networks), 5)]
        spreads = []
        for label, policies in (("single", [[one] for one in networks]), ("mean of 5", groups)):
            results = [
                run_backtest(
                    bars, PolicyEnsemble(tuple(p)).positions_on(bars), COSTS, bars_per_year=bars_per_year
                ).metrics
                for p in policies
            ]
            scores = [rank_value(result.sharpe_ratio) for result in results]
            spreads.append(scores)
            drawdown = statistics.mean(rank_value(result.max_drawdown) for result in results)
            print(
                f"{name:15s} {label:10s} n {len(scores):3d} Sharpe mean {statistics.mean(scores):.3f} "
                f"sd {statistics.stdev(scores):.3f} drawdown mean {drawdown:.3f}",
                flush=True,
            )
        print(f"{name:15s} spread, mean of 5 over single: {spread_ratio(*spreads)}", flush=True)


def spread_ratio(single: list[float], grouped: list[float]) -> str:
    """Return the ratio of standard deviations with a 95 % bootstrap interval over groups."""
    alone, together = np.reshape(single, (len(grouped), 5)), np.array(grouped)
    picks = np.random.default_rng(0).integers(len(grouped), size=(4000, len(grouped)))
    ratios = together[picks].std(axis=1, ddof=1) / alone[picks].reshape(len(picks), -1).std(axis=1, ddof=1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return f"{together.std(ddof=1) / alone.std(ddof=1):.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = {"planted": planted, "null": null, "ensemble": ensemble}
    parser.add_argument("command", nargs="?", choices=commands)
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="policy_gradient")
    parser.add_argument("--markets", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--groups", type=int, default=4)
    options = parser.parse_args()
    for name in [options.command] if options.command else commands:
        commands[name](options)


if __name__ == "__main__":
    main()
