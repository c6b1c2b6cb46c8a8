"""Times the statistics of the gate card and prints a table: `python bench/bench_stats.py`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.markets import null_returns
from trainingday.stats.bootstrap import bootstrap_sharpe_difference
from trainingday.stats.gate import Baseline, Exam, decide
from trainingday.stats.selection import overfitting_probability, superior_predictive_ability

ROUNDS = 5


def median_ms(call: Callable[[], object]) -> float:
    """Return the median wall time of `ROUNDS` calls in milliseconds, after one that warms up."""
    call()
    timings = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        timings.append(time.perf_counter() - start)
    return statistics.median(timings) * 1e3


def gate_call(n_bars: int) -> Callable[[], object]:
    """Return an exam against flat and a champion, with the bandwidth at its cap (the slowest case)."""
    noise = null_returns("gaussian", n_bars, np.random.default_rng(1))
    slow = 0.01 * np.cumsum(noise) + 0.01 * noise
    baselines = [Baseline("flat", np.zeros(n_bars)), Baseline("champion", slow[::-1].copy())]
    return lambda: decide(slow, baselines, n_trades=99, bars_per_year=8760, exam=Exam())


def bootstrap_call(n_bars: int) -> Callable[[], object]:
    """Return a bootstrapped difference of two series, 999 draws."""
    one, other = (null_returns("garch", n_bars, np.random.default_rng(seed)) for seed in (2, 3))
    return lambda: bootstrap_sharpe_difference(one, other, bars_per_year=8760, rng=np.random.default_rng(4))


def table(n_bars: int, n_candidates: int) -> np.ndarray:
    """Return noise of shape (n_bars, n_candidates)."""
    return null_returns("gaussian", n_bars * n_candidates, np.random.default_rng(5)).reshape(n_bars, -1)


def arch_ms(returns: np.ndarray) -> float:
    """Return the milliseconds of one SPA by arch, which this module's is compared with."""
    from arch.bootstrap import SPA

    start = time.perf_counter()
    SPA(np.zeros(returns.shape[0]), -returns, block_size=17, reps=1_000, seed=1).compute()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    rows = [(f"gate, {n:,} bars", median_ms(gate_call(n))) for n in (2_000, 5_000, 20_000, 100_000)]
    rows += [(f"bootstrap 999, {n:,} bars", median_ms(bootstrap_call(n))) for n in (2_000, 20_000)]
    for n_bars, n_candidates in ((5_000, 200), (20_000, 200)):
        returns, zeros = table(n_bars, n_candidates), np.zeros(n_bars)
        rows.append(
            (
                f"SPA, {n_candidates} x {n_bars:,}",
                median_ms(
                    lambda r=returns, z=zeros: superior_predictive_ability(r, z, rng=np.random.default_rng(6))
                ),
            )
        )
    rows.append(("SPA by arch, 200 x 5,000", arch_ms(table(5_000, 200))))
    noise = table(20_000, 200)
    rows.append(("PBO 16 blocks, 200 x 20,000", median_ms(lambda: overfitting_probability(noise))))
    for name, milliseconds in rows:
        print(f"{name:<32}{milliseconds:>10.1f} ms")


if __name__ == "__main__":
    main()
