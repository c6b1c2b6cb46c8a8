"""Measure the backtest: populations and single runs, against vectorbt where one can be had.

Run: python -m bench.bench_backtest [--candidates 200] [--bars 100000] [--rounds 5]

vectorbt (Commons Clause) is no dependency. Give the Python of an environment that has it in
VECTORBT_PYTHON and its rows are measured in the same run, on the same bars and parameters, alternating
with ours; without it those rows say so. CPU seconds of one thread; the median round is reported.

"Same work" is momentum with its indicator, trades, fees, slippage, Sharpe ratio, total return, maximum
drawdown, win rate and number of trades of every candidate. Its cost depends on the number of trades, so
it is measured for candidates that trade seldom, moderately and often, and on ten times the bars for
us alone; each row says how many trades a candidate made and what that comes to per change of position,
indicator and comparisons included.
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


# Bounds of lookback (bars) and threshold (fraction) by how often such candidates trade.
RANGES = {
    "seldom": ((50, 201), (0.10, 0.20)),
    "moderate": ((20, 101), (0.06, 0.10)),
    "often": ((5, 201), (0.005, 0.10)),
}


def momentum_table(name: str, n_candidates: int) -> FloatArray:
    """Return candidates drawn evenly within a range of `RANGES`."""
    (first, stop), (low, high) = RANGES[name]
    rng = np.random.default_rng(0)
    lookbacks = rng.integers(first, stop, n_candidates).astype(float)
    return np.column_stack((lookbacks, rng.uniform(low, high, n_candidates)))


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
    """Return the largest differences; vectorbt drops orders below 1e-12 units, which tiny accounts place."""
    is_alive = scores.total_return > -1 + 1e-9
    parts = [f"{is_alive.sum()} candidates that keep 1e-9 of their equity"]
    for name in ("n_trades", "total_return", "sharpe_ratio", "max_drawdown", "win_rate"):
        ours, theirs = getattr(scores, name), np.array(answer[name], dtype=float)
        both = np.isfinite(ours) & np.isfinite(theirs) & is_alive
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


def measure(name: str, bars: Bars, costs: Costs, n_candidates: int, rounds: int, peer: Peer | None) -> None:
    """Print one range's rows: ours, and vectorbt's on the very same candidates."""
    table = momentum_table(name, n_candidates)
    ours, theirs, single, their_single, answer = [], [], [], [], {}
    for round_number in range(rounds + 1):
        seconds, scores = time_population(bars, table, costs)
        alone = [time_single(bars, table[0], costs) for _ in range(5)]
        if peer:
            answer, one = peer.ask(table), peer.ask(table[:1])
        if round_number == 0:  # The first round compiles.
            continue
        ours.append(seconds)
        single.append(float(np.median(alone)))
        if peer:
            theirs.append(float(str(answer["seconds"])))
            their_single.append(float(str(one["seconds"])))
    cells, n_trades = n_candidates * len(bars), float(scores.n_trades.mean())
    # A trade begins and ends with a change; a flip is both, so this is a lower bound of the cost of one.
    per_change = np.median(ours) / n_candidates / max(2.0 * n_trades, 1.0) * 1e9
    print(
        f"{name:9s} {n_candidates} candidates x {len(bars)} bars, {n_trades:.0f} trades each,"
        f" {len(np.unique(table[:, 0]))} windows: median {np.median(ours) / cells * 1e9:.2f} ns,"
        f" least {min(ours) / cells * 1e9:.2f} ns per bar and candidate ({per_change:.0f} ns per change);"
        f" one candidate {np.median(single) * 1e3:.2f} ms"
    )
    if peer is None:
        return
    ratios, single_ratios = np.array(theirs) / np.array(ours), np.array(their_single) / np.array(single)
    print(
        f"          vectorbt {peer.version}: {np.median(theirs) / cells * 1e9:.1f} ns, one candidate"
        f" {np.median(their_single) * 1e3:.1f} ms, peak memory {answer['peak_mb']:.0f} MB;"
        f" ratio median {np.median(ratios):.0f}x, least {ratios.min():.0f}x,"
        f" one candidate median {np.median(single_ratios):.0f}x, least {single_ratios.min():.0f}x"
    )
    print(f"          largest differences: {report_difference(scores, answer)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    own_rows(given.bars, given.candidates, given.rounds)
    bars, costs = gaussian_bars(given.bars, seed=1), Costs()
    python = os.environ.get(ASKED)
    peer = Peer(python, bars, costs) if python else None
    for name in RANGES:
        measure(name, bars, costs, given.candidates, given.rounds, peer)
    if peer:
        peer.close()
    else:
        print(f"vectorbt: not measured; set {ASKED} to the Python of an environment with vectorbt 1.x")
    long_bars = gaussian_bars(10 * given.bars, seed=1)
    for name in RANGES:
        measure(name, long_bars, costs, given.candidates, min(given.rounds, 3), None)


if __name__ == "__main__":
    sys.exit(main())
