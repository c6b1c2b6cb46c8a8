"""Measure the backtest: populations and single runs, against vectorbt where one can be had.

Run: python -m bench.bench_backtest [--candidates 200] [--bars 100000] [--rounds 5]

vectorbt (Commons Clause) is no dependency. Give the Python of an environment that has it in
VECTORBT_PYTHON and its rows are measured in the same run, on the same bars and parameters, alternating
with ours; without it those rows say so. CPU seconds of one thread; the median round is reported.

"Same work" is momentum with its indicator, trades, fees, slippage, Sharpe ratio, total return, maximum
drawdown, win rate and number of trades of every candidate.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

import numpy as np

from strategies.library.registry import get_family
from tests.markets import gaussian_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.population import Scores, score_population
from trainingday.backtest.result import compute_metrics
from trainingday.bars import Bars
from trainingday.typing import FloatArray

YEAR = 8760.0
PEER = Path(__file__).with_name("peer_vectorbt.py")
ASKED = "VECTORBT_PYTHON"


class Peer:
    """vectorbt in its own process, one JSON line per request."""

    def __init__(self, python: str, bars: Bars, costs: Costs) -> None:
        self.folder = tempfile.TemporaryDirectory()
        market = Path(self.folder.name) / "market.npz"
        np.savez(market, open=bars.open, close=bars.close)
        self.process = subprocess.Popen(
            [python, str(PEER), str(market), str(costs.fee), str(costs.slippage)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self.ask(None)["version"]

    def ask(self, table: FloatArray | None) -> dict[str, object]:
        assert self.process.stdin and self.process.stdout
        if table is not None:
            self.process.stdin.write(json.dumps(table.tolist()) + "\n")
            self.process.stdin.flush()
        answer: dict[str, object] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()


def momentum_table(n_candidates: int, rng: np.random.Generator) -> FloatArray:
    """Return lookbacks of 5 to 200 bars and thresholds of 0.5 to 10 %."""
    return np.column_stack(
        (rng.integers(5, 201, n_candidates).astype(float), rng.uniform(0.005, 0.1, n_candidates))
    )


def time_population(bars: Bars, table: FloatArray, costs: Costs) -> tuple[float, Scores]:
    started = process_time()
    scores = score_population(bars, get_family("momentum"), table, costs, bars_per_year=YEAR)
    return process_time() - started, scores


def time_single(bars: Bars, row: FloatArray, costs: Costs) -> float:
    family = get_family("momentum")
    values = {p.name: float(value) for p, value in zip(family.parameters, row, strict=True)}
    started = process_time()
    result = run_backtest(bars, family.positions(bars, values), costs, bars_per_year=YEAR)
    compute_metrics(result, with_interval=False)
    return process_time() - started


def report_difference(scores: Scores, answer: dict[str, object]) -> str:
    parts = []
    for name in ("n_trades", "total_return", "sharpe_ratio", "max_drawdown", "win_rate"):
        ours, theirs = getattr(scores, name), np.array(answer[name], dtype=float)
        both = np.isfinite(ours) & np.isfinite(theirs)
        parts.append(f"{name} {np.abs(ours - theirs)[both].max(initial=0.0):.1e}")
    return ", ".join(parts)


def own_rows(n_bars: int, n_candidates: int, rounds: int) -> None:
    """Print nanoseconds per bar and candidate of the three seed families, parameters drawn in all bounds."""
    bars = gaussian_bars(n_bars, seed=1)
    rng = np.random.default_rng(1)
    for name in ("momentum", "mean_reversion", "breakout"):
        window, threshold = get_family(name).parameters
        table = np.column_stack(
            (
                np.round(np.exp(rng.uniform(np.log(window.low), np.log(window.high), n_candidates))),
                rng.uniform(threshold.default, threshold.high, n_candidates),
            )
        )
        seconds = []
        for _ in range(rounds + 1):
            started = process_time()
            scores = score_population(bars, get_family(name), table, Costs(), bars_per_year=YEAR)
            seconds.append(process_time() - started)
        median = float(np.median(seconds[1:]))
        print(
            f"{name:15s} {n_candidates} candidates x {n_bars} bars: {median:.3f} s,"
            f" {median / n_candidates / n_bars * 1e9:.2f} ns per bar and candidate,"
            f" {len(np.unique(table[:, 0]))} windows, {scores.n_trades.mean():.0f} trades each"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    own_rows(given.bars, given.candidates, given.rounds)

    bars, costs = gaussian_bars(given.bars, seed=1), Costs()
    table = momentum_table(given.candidates, np.random.default_rng(0))
    python = os.environ.get(ASKED)
    peer = Peer(python, bars, costs) if python else None
    ours, theirs, single, their_single, answer = [], [], [], [], {}
    for round_number in range(given.rounds + 1):
        seconds, scores = time_population(bars, table, costs)
        alone = time_single(bars, table[0], costs)
        if round_number:  # The first round compiles.
            ours.append(seconds)
            single.append(alone)
        if peer:
            answer, one = peer.ask(table), peer.ask(table[:1])
            if round_number:
                theirs.append(float(str(answer["seconds"])))
                their_single.append(float(str(one["seconds"])))
    cells = given.candidates * given.bars
    print(f"same work, {given.candidates} candidates: {np.median(ours) / cells * 1e9:.2f} ns, ", end="")
    print(f"{scores.n_trades.mean():.0f} trades each; one candidate: {np.median(single) * 1e3:.2f} ms")
    if peer is None:
        print(f"vectorbt: not measured; set {ASKED} to the Python of an environment with vectorbt 1.x")
        return
    ratios = np.array(theirs) / np.array(ours)
    single_ratios = np.array(their_single) / np.array(single)
    print(f"vectorbt {peer.version}: {np.median(theirs) / cells * 1e9:.1f} ns per bar and candidate,", end="")
    print(f" one candidate {np.median(their_single) * 1e3:.1f} ms, peak memory {answer['peak_mb']:.0f} MB")
    print(f"ratio, population: median {np.median(ratios):.0f}x, least {ratios.min():.0f}x")
    print(f"ratio, single: median {np.median(single_ratios):.0f}x, least {single_ratios.min():.0f}x")
    print(f"largest differences: {report_difference(scores, answer)}")
    peer.close()


if __name__ == "__main__":
    sys.exit(main())
