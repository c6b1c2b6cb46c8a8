"""Tables of bench_acceptance's outcomes: shares of the oracle, null markets, and paired differences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from scipy.stats import t as student

from bench.bench_rl import NULLS
from trainingday.typing import JSONDict

FLOOR = 0.8  # of the oracle's Sharpe ratio
COLUMNS = {
    "deployed": ("deployed", "traded"),
    "without overlay": ("deployed", "mean"),
    "five found": ("found", "mean"),
    "five default PPO": ("ppo", "mean"),
    "five default exact": ("policy_gradient", "mean"),
}


def interval(values: Sequence[float]) -> str:
    """Return mean and Student's 95 % interval of paired differences."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:+.3f} (one pair)"
    half = float(student.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]  n {len(values)}"


def print_tables(rows: Sequence[JSONDict]) -> None:
    """Print every table that the outcomes have rows for."""
    able = [row for row in rows if "deployed" in row]
    failed = [row for row in rows if "deployed" not in row]
    for row in failed:
        print(f"{row['market']} {row['seed']}: {row['state']}, {row['reason']}")
    planted = [row for row in able if "oracle" in row]
    _print_shares(planted)
    _print_nulls([row for row in able if row["market"] in NULLS])
    _print_search(planted)
    _print_ensembles(planted)
    _print_cost(able)


def _by_market(rows: Sequence[JSONDict]) -> Iterator[tuple[str, list[JSONDict]]]:
    """Yield markets with their outcomes, in the order in which they first came."""
    order = list(dict.fromkeys(row["market"] for row in rows))
    ranked = sorted(rows, key=lambda row: order.index(row["market"]))
    for name, found in groupby(ranked, key=lambda row: row["market"]):
        yield name, list(found)


def share(row: JSONDict, part: str, kind: str) -> float:
    """Return what a part's Sharpe ratio out of sample is of the oracle's."""
    return float(row[part][kind]["sharpe"] / row["oracle"]["sharpe"])


def _print_shares(rows: Sequence[JSONDict]) -> None:
    print("\nShare of the oracle's Sharpe ratio on 100,000 bars of another path: median, min, seeds >= 0.80")
    for name, found in _by_market(rows):
        cells = []
        for label, (part, kind) in COLUMNS.items():
            shares = [share(row, part, kind) for row in found]
            n_above = sum(value >= FLOOR for value in shares)
            cells.append(f"{label} {statistics.median(shares):.2f} {min(shares):.2f} {n_above}/{len(shares)}")
        taken = [row["settings"]["chosen"] for row in found]
        chosen = ", ".join(f"{one} {taken.count(one)}" for one in sorted(set(taken)))
        oracle = statistics.median(row["oracle"]["sharpe"] for row in found)
        n_passed = sum(row["verdict"] == "passed" for row in found)
        print(
            f"{name:15s} oracle {oracle:5.2f} | {' | '.join(cells)} | passed {n_passed}/{len(found)} | {chosen}"
        )


def _print_nulls(rows: Sequence[JSONDict]) -> None:
    print("\nNull markets, Sharpe ratio out of sample after fees: median, max; exams passed")
    for name, found in _by_market(rows):
        scores = [row["deployed"]["traded"]["sharpe"] for row in found]
        verdicts = [row["verdict"] for row in found]
        counts = ", ".join(f"{one} {verdicts.count(one)}" for one in sorted(set(verdicts)))
        print(
            f"{name:15s} {found[0]['preset']} n {len(found)} | "
            f"{statistics.median(scores):.2f} {max(scores):.2f} | {counts}"
        )


def _print_search(rows: Sequence[JSONDict]) -> None:
    print(
        "\nSharpe ratio out of sample, five seeds of what the search found minus five of an algorithm's defaults"
    )
    print("(all fitted on train alone, no overlay; 'all' in shares of the oracle's)")
    for algorithm in ("ppo", "policy_gradient"):
        for name, found in _by_market(rows):
            print(f"{algorithm:15s} {name:15s} {interval(_gaps(found, algorithm, _sharpe))}")
        if rows:
            print(f"{algorithm:15s} {'all':15s} {interval(_gaps(rows, algorithm, share))}")


def _gaps(
    rows: Sequence[JSONDict], algorithm: str, measure: Callable[[JSONDict, str, str], float]
) -> list[float]:
    return [measure(row, "found", "mean") - measure(row, algorithm, "mean") for row in rows]


def _sharpe(row: JSONDict, part: str, kind: str) -> float:
    return float(row[part][kind]["sharpe"])


def _print_ensembles(rows: Sequence[JSONDict]) -> None:
    print("\nMean position of five seeds minus the mean of the five alone, out of sample")
    print("(Sharpe ratio; drawdown: positive is shallower; in how many both are no worse)")
    for part in ("found", "ppo", "policy_gradient"):
        for name, found in _by_market(rows):
            gains, falls = (
                [_gain(row[part], measure) for row in found] for measure in ("sharpe", "drawdown")
            )
            n_good = sum(gain >= 0 and fall >= 0 for gain, fall in zip(gains, falls, strict=True))
            spread = statistics.mean(
                statistics.stdev(member["sharpe"] for member in row[part]["members"]) for row in found
            )
            print(
                f"{part:15s} {name:15s} Sharpe {interval(gains)} | drawdown {interval(falls)} | "
                f"{n_good}/{len(found)} | sd of members {spread:.3f}"
            )


def _gain(part: JSONDict, measure: str) -> float:
    members = [member[measure] for member in part["members"]]
    return float(part["mean"][measure] - statistics.mean(members))


def _print_cost(rows: Sequence[JSONDict]) -> None:
    print(
        "\nCPU seconds of a session, median; share of its time before the search (scan, baseline, tournament)"
    )
    for name, found in _by_market(rows):
        cpu = statistics.median(row["cpu_seconds"] for row in found)
        before = statistics.median(_share_before_search(row["stages"]) for row in found)
        print(f"{name:15s} {found[0]['preset']} {cpu:6.1f} {before:5.0%}")


def _share_before_search(stages: dict[str, float]) -> float:
    return sum(stages[name] for name in ("patterns", "baseline", "tournament")) / sum(stages.values())
