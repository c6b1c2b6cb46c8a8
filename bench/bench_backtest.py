"""Measure the backtest: populations and single runs, against vectorbt where one can be had.

Run: python -m bench.bench_backtest [--candidates 200] [--bars 100000] [--rounds 5]

vectorbt (Commons Clause) is no dependency. Give the Python of an environment that has it in
VECTORBT_PYTHON and its rows are measured in the same run, on the same bars and parameters, alternating
with ours; without it those rows say so. CPU seconds of one thread; the median round is reported.

"Same work" is momentum with its indicator, trades, fees, slippage, Sharpe ratio, total return, maximum
drawdown, win rate and number of trades of every candidate. Its cost depends on the number of trades, so
it is measured for candidates that trade seldom, moderately and often, and on ten times the bars for
us alone; each row says how many trades a candidate made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

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
    parts = []
    for name in ("n_trades", "total_return", "sharpe_ratio", "max_drawdown", "win_rate"):
        ours, theirs = getattr(scores, name), np.array(answer[name], dtype=float)
        both = np.isfinite(ours) & np.isfinite(theirs) & is_alive
        parts.append(f"{name} {np.abs(ours - theirs)[both].max(initial=0.0):.1e}")
    return f"{', '.join(parts)} ({is_alive.sum()} candidates that keep 1e-9 of their equity)"


def make_table(title: str, *columns: str) -> Table:
    """Return an empty table whose columns but the first are numbers."""
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if table.columns else "left")
    return table


def own_table(n_bars: int, n_candidates: int, rounds: int) -> Table:
    """Return nanoseconds per bar and candidate of four families, parameters drawn in their bounds."""
    bars = gaussian_bars(n_bars, seed=1)
    rng = np.random.default_rng(1)
    table = make_table(
        f"{n_candidates} candidates x {n_bars:,} bars",
        "Family",
        "ns per bar and candidate",
        "windows",
        "trades each",
    )
    for name in ("momentum", "mean_reversion", "breakout", "donchian"):
        window, second = get_family(name).parameters
        drawn = rng.uniform(second.default, second.high, n_candidates)
        values = np.column_stack(
            (
                np.round(np.exp(rng.uniform(np.log(window.low), np.log(window.high), n_candidates))),
                np.round(drawn) if second.is_integer else drawn,
            )
        )
        seconds = []
        for _ in range(rounds + 1):
            started = process_time()
            scores = score_population(bars, get_family(name), values, Costs(), bars_per_year=YEAR)
            seconds.append(process_time() - started)
        cost = float(np.median(seconds[1:])) / n_candidates / n_bars * 1e9
        n_windows = len(np.unique(values[:, 0]))
        table.add_row(name, f"{cost:.2f}", f"{n_windows}", f"{scores.n_trades.mean():.0f}")
    return table


@dataclass(frozen=True)
class Measured:
    """Medians over rounds; ratios are of the same round."""

    name: str
    n_trades: float
    ours: FloatArray
    single: FloatArray
    theirs: FloatArray
    their_single: FloatArray
    difference: str

    def cells(self, n_cells: int) -> tuple[str, ...]:
        """Return the row of a table: a population's nanoseconds per bar and set, one run's milliseconds."""
        populations = _compared(self.ours / n_cells * 1e9, self.theirs / n_cells * 1e9, 2)
        return (
            self.name,
            f"{self.n_trades:.0f}",
            *populations,
            *_compared(self.single * 1e3, self.their_single * 1e3, 2),
        )


def _compared(ours: FloatArray, theirs: FloatArray, n_digits: int) -> tuple[str, str, str]:
    if not theirs.size:
        return f"{np.median(ours):.{n_digits}f}", "-", "-"
    ratios = theirs / ours
    ratio = f"{np.median(ratios):.0f} ({ratios.min():.0f})"
    return f"{np.median(ours):.{n_digits}f}", f"{np.median(theirs):.0f}", ratio


def measure(
    name: str, bars: Bars, costs: Costs, n_candidates: int, rounds: int, peer: Peer | None
) -> Measured:
    """Return one range's seconds: ours, and vectorbt's on the very same candidates."""
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
    seconds_of = (np.array(taken) for taken in (ours, single, theirs, their_single))
    difference = report_difference(scores, answer) if peer else ""
    return Measured(name, float(scores.n_trades.mean()), *seconds_of, difference)


def compared_table(
    bars: Bars, costs: Costs, n_candidates: int, rounds: int, peer: Peer | None
) -> tuple[Table, list[str]]:
    """Return the table of all ranges, and one line on the differences from vectorbt for each."""
    table = make_table(
        f"Momentum, {n_candidates} sets x {len(bars):,} bars; ratio: median (least) of {rounds} rounds",
        "Trading",
        "trades each",
        "ns per bar and set",
        "vectorbt",
        "ratio",
        "one set, ms",
        "vectorbt",
        "ratio",
    )
    differences = []
    for name in RANGES:
        measured = measure(name, bars, costs, n_candidates, rounds, peer)
        table.add_row(*measured.cells(n_candidates * len(bars)))
        differences.append(f"{name}: {measured.difference}")
    return table, differences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    console, costs = Console(width=110), Costs()
    console.print(own_table(given.bars, given.candidates, given.rounds))
    bars, python = gaussian_bars(given.bars, seed=1), os.environ.get(ASKED)
    peer = Peer(python, bars, costs) if python else None
    table, differences = compared_table(bars, costs, given.candidates, given.rounds, peer)
    console.print(table)
    if peer:
        console.print(
            f"Largest differences from vectorbt {peer.version}, {'; '.join(differences)}", highlight=False
        )
        peer.close()
    else:
        print(f"vectorbt: not measured; set {ASKED} to the Python of an environment with vectorbt 1.x")
    long_bars = gaussian_bars(10 * given.bars, seed=1)
    console.print(compared_table(long_bars, costs, given.candidates, min(given.rounds, 3), None)[0])


if __name__ == "__main__":
    sys.exit(main())
