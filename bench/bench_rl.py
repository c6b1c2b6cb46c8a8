"""Acceptance of LEARNING.md on markets of known truth; speed is in `bench_rl_speed`.

    python -m bench.bench_rl planted --algorithm policy_gradient --seeds 10
    python -m bench.bench_rl planted --preset quick --markets ou_daily --seeds 2
    python -m bench.bench_rl null --algorithm policy_gradient --seeds 10
    python -m bench.bench_rl ensemble --markets ou_daily --groups 4

Train 50,000 bars, validate on the 20,000 after a purge, test on 100,000 bars of another path. Without a
preset: one training at the algorithm's defaults, best checkpoint on validation. With one: the whole search
and the final seeds, as a session runs them, trading the mean position of the ensemble.
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
from sessions.rl.presets import PRESETS, get_preset
from sessions.rl.rewards import risk_aversion
from sessions.rl.search import (
    SearchSpace,
    TrialRecord,
    TrialState,
    TrialTask,
    evaluate_trial,
    pruning_thresholds,
    save_bundle,
    suggest_batch,
    train_member,
    trial_seed,
)
from tests.markets import PLANTED, bars_from_log_returns, null_returns, planted_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.bars import Bars
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


def by_preset(task: TrialTask, run_seed: int, preset_name: str) -> PolicyEnsemble:
    """Return what a session's search and final seeds give, in this process."""
    preset = get_preset(preset_name)
    space, records, batch = SearchSpace(steps_factor=preset.steps_factor), [], 0
    while len(records) < preset.n_trials:
        size = min(preset.batch_size, preset.n_trials - len(records))
        thresholds, first = pruning_thresholds(records), len(records)
        for offset, chosen in enumerate(suggest_batch(records, batch, size, run_seed, space)):
            seed = trial_seed(run_seed, first + offset)
            result = evaluate_trial(with_settings(task, chosen, seed, prune_below=thresholds))
            records.append(
                TrialRecord(first + offset, chosen, result.state, result.score, result.intermediate)
            )
        batch += 1
    complete = [record for record in records if record.state == TrialState.COMPLETE]
    best = max(complete, key=lambda record: rank_value(record.score)).hyperparameters
    default = default_hyperparameters(best["algorithm"]).n_steps
    final = {**best, "n_steps": round(default * preset.final_steps_factor)}
    seeds = [trial_seed(run_seed, preset.n_trials + index) for index in range(preset.n_final_seeds)]
    members = [train_member(with_settings(task, final, seed)) for seed in seeds]
    members.sort(key=lambda member: rank_value(member.score), reverse=True)
    return PolicyEnsemble(tuple(member.network for member in members[: preset.ensemble_size]))


def learned(task: TrialTask, seed: int, options: argparse.Namespace) -> PolicyEnsemble:
    if options.preset:
        return by_preset(task, seed, options.preset)
    settings = default_hyperparameters(options.algorithm).as_dict()
    return PolicyEnsemble((train_member(with_settings(task, settings, seed)).network,))


def outcomes(name: str, options: argparse.Namespace) -> Iterator[tuple[float, float, float]]:
    """Yield Sharpe ratio out of sample, the oracle's (0 on a null market), and CPU seconds, seed by seed."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            task, began = base_task(name, seed, Path(folder)), time.process_time()
            policy = learned(task, seed, options)
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
        for label, policies in (("single", [[one] for one in networks]), ("mean of 5", groups)):
            results = [
                run_backtest(
                    bars, PolicyEnsemble(tuple(p)).positions_on(bars), COSTS, bars_per_year=bars_per_year
                ).metrics
                for p in policies
            ]
            scores = [rank_value(result.sharpe_ratio) for result in results]
            drawdown = statistics.mean(rank_value(result.max_drawdown) for result in results)
            print(
                f"{name:15s} {label:10s} n {len(scores):3d} Sharpe mean {statistics.mean(scores):.3f} "
                f"sd {statistics.stdev(scores):.3f} drawdown mean {drawdown:.3f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = {"planted": planted, "null": null, "ensemble": ensemble}
    parser.add_argument("command", choices=commands)
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="policy_gradient")
    parser.add_argument("--preset", choices=tuple(PRESETS))
    parser.add_argument("--markets", nargs="*")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--groups", type=int, default=4)
    options = parser.parse_args()
    commands[options.command](options)


if __name__ == "__main__":
    main()
