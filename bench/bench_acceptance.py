"""Acceptance of LEARNING.md by whole training sessions, on markets of known truth.

    python -m bench.bench_acceptance --folder /tmp/acceptance --seeds 10
    python -m bench.bench_acceptance --folder /tmp/acceptance --seeds 0

The second prints the tables of what is there; the first runs, then prints them.

Each session is the product's own: bars loaded as a file, `manage.py train` with its scan, tournament, search, final
trainings and exam. What it would deploy is then backtested on 100,000 bars of another path of the same market.
83,690 bars: a session's own split makes 50,000 of them train, 16,666 validation and 16,666 test. On the same train
and validation stand five trainings each of what the search found and of PPO's and the exact policy gradient's defaults;
those that the session took are its own.

One seed of each market, then the next seed: what has run so far is balanced. Each session is a line of
FOLDER/outcomes.jsonl; a run that was stopped goes on behind the last line. One core: trials are evaluated in line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.acceptance_tables import print_tables
from bench.bench_rl import COSTS, NULLS, TEST_SEED, market, with_settings
from bench.oracle import oracle_positions
from sessions.rl.hyperparameters import default_hyperparameters
from sessions.rl.monitor import rank_value
from sessions.rl.rewards import risk_aversion
from sessions.rl.search import TrialTask, train_member, trial_seed
from tests.markets import HOUR_US, PLANTED
from trainingday.backtest.engine import run_backtest
from trainingday.bars import Bars
from trainingday.compute.bundles import save_bundle
from trainingday.markets.splits import plan_split
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.typing import FloatArray, JSONDict

if TYPE_CHECKING:
    from sessions.models import TrainingSession
    from trainingday.markets.models import Market

ROOT = Path(__file__).resolve().parent.parent
N_BARS, N_LATER = 83_690, 100_000
FIRST_SEED = 5001
TEN_YEARS_US = 87_600 * HOUR_US  # the importer refuses bars of the future
SLOW, SLOW_SEEDS = "ou_slow_hourly", 3
N_MEMBERS = 5
FIRST_MEMBER_INDEX = 2_000_000  # seeds that no part of a session uses


def use_home(folder: Path) -> None:
    """Set up Django on a fresh SQLite home in `folder`."""
    home = tempfile.mkdtemp(prefix="home-", dir=folder)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "trainingday.settings",
        "TRAININGDAY_HOME": home,
        "DATABASE_URL": f"sqlite:///{home}/trainingday.sqlite3",
        "TRAININGDAY_EXECUTOR": "inline",
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def in_range(bars: Bars) -> Bars:
    """Return the bars at a scale that the importer takes: 83,690 daily moves may leave 1e-12..1e12.

    By a power of two, so that every return keeps its bits.
    """
    middle = 0.5 * (np.log2(bars.high.max()) + np.log2(bars.low.min()))
    scale = 2.0 ** -round(middle)
    prices = {name: scale * getattr(bars, name) for name in ("open", "high", "low", "close")}
    return replace(bars, **prices)


def load_market(name: str, bars: Bars, bars_per_year: float, seed: int) -> Market:
    """Return the market of bars that were written to a CSV file and imported from it."""
    from trainingday.markets.intervals import HOUR
    from trainingday.markets.services import get_or_create_market, load_file

    found, _ = get_or_create_market(
        f"{name}-{seed}",
        "bench",
        HOUR,
        calendar="crypto",
        fee=COSTS.fee,
        slippage=COSTS.slippage,
        bars_per_year=bars_per_year,
    )
    columns = (bars.timestamps, bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = ["timestamp,open,high,low,close,volume"]
    rows += [",".join(map(repr, row)) for row in zip(*(column.tolist() for column in columns), strict=True)]
    load_file("\n".join(rows).encode(), f"{name}.csv", symbol=found.symbol, venue=found.venue, interval=HOUR)
    return found


def run_session(found: Market, preset: str, seed: int, log: Path) -> TrainingSession:
    """Return the session that `manage.py train` made."""
    from sessions.models import TrainingSession

    command = [sys.executable, "manage.py", "train", "--market", found.slug]
    with log.open("a") as stream:
        subprocess.run(
            [*command, "--preset", preset, "--seed", str(seed)], cwd=ROOT, stdout=stream, stderr=stream
        )
    return TrainingSession.objects.get(market=found)


class Later:
    """Bars that no session of the market has seen, and what positions are worth on them."""

    def __init__(self, name: str, seed: int) -> None:
        self.bars, self.bars_per_year = market(name, N_LATER, TEST_SEED + seed)

    def score(self, positions: FloatArray) -> JSONDict:
        """Return Sharpe ratio after fees, maximum drawdown and turnover; 0 where a path stays flat."""
        metrics = run_backtest(self.bars, positions, COSTS, bars_per_year=self.bars_per_year).metrics
        return {
            "sharpe": rank_value(metrics.sharpe_ratio),
            "drawdown": rank_value(metrics.max_drawdown),
            "turnover": metrics.turnover,
        }

    def score_policy(self, policy: PolicyEnsemble) -> JSONDict:
        """Return the scores of the members' mean position and of each member alone."""
        members = [self.score(PolicyEnsemble((member,)).positions_on(self.bars)) for member in policy.members]
        return {"mean": self.score(policy.positions_on(self.bars)), "members": members}

    def score_artifact(self, artifact: str) -> JSONDict:
        from strategies.store import cached_model

        model = cached_model(artifact)
        return {"traded": self.score(model.positions_on(self.bars)), **self.score_policy(model.policy)}


def train_members(bars: Bars, bars_per_year: float, settings: JSONDict, seed: int) -> PolicyEnsemble:
    """Return five trainings of some settings on the bars that a session trains on."""
    split = plan_split(len(bars), bars.timestamps)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder, "bars.npz")
        save_bundle(bundle, bars[: split.validation.stop])
        spans = [(part.start, part.stop) for part in (split.train, split.validation)]
        task = TrialTask(settings, 0, str(bundle), spans[0], spans[1], COSTS, bars_per_year)
        seeds = [trial_seed(seed, FIRST_MEMBER_INDEX + index) for index in range(N_MEMBERS)]
        return PolicyEnsemble(
            tuple(train_member(with_settings(task, settings, one)).network for one in seeds)
        )


def stage_seconds(session: TrainingSession) -> dict[str, float]:
    """Return wall seconds by stage, as the session's events tell them."""
    from trainingday.runs.queries import query_events

    events = [event for event in query_events(session, 0) if event.kind == "stage"]
    times = [(str(event.payload["stage"]), event.created_at) for event in events]
    pairs = pairwise([*times, ("", session.finished_at)])
    return {name: round((after - at).total_seconds(), 1) for (name, at), (_, after) in pairs if name}


def sides(session: TrainingSession) -> dict[str, JSONDict]:
    """Return what stands side by side: the settings of the search's best trial, and two algorithms' defaults."""
    from sessions.search_stage import best_trials

    defaults = {name: default_hyperparameters(name).as_dict() for name in ("policy_gradient", "ppo")}
    return {"found": best_trials(list(session.trials.all()))[0].hyperparameters, **defaults}


def outcome(name: str, seed: int, preset: str, folder: Path) -> JSONDict:
    """Return what one session came to."""
    bars, bars_per_year = market(name, N_BARS, seed)
    bars = in_range(replace(bars, timestamps=bars.timestamps - TEN_YEARS_US))
    found = load_market(name, bars, bars_per_year, seed)
    session = run_session(found, preset, seed, folder / "sessions.log")
    row: JSONDict = {
        "state": session.state,
        "reason": session.reason,
        "verdict": session.verdict,
        "seconds": session.duration,
        "cpu_seconds": session.cpu_seconds,
        "stages": stage_seconds(session),
    }
    later = Later(name, seed)
    candidate = session.model_versions.exclude(stage="baseline").first()
    if candidate is not None:
        row |= {
            "algorithm": candidate.algorithm,
            "overlay": candidate.overlay.get("chosen"),
            "settings": candidate.settings_choice,
            "deployed": later.score_artifact(candidate.artifact),
            "selection": later.score_artifact(candidate.selection_strategy.artifact),
        }
    if name in PLANTED:
        best = oracle_positions(name, later.bars, COSTS.fee, risk_aversion(bars_per_year))
        row["oracle"] = later.score(best)
    if name in PLANTED and candidate is not None:
        began = time.process_time()
        taken = {"found": "found", "defaults": "policy_gradient"}[candidate.settings_choice["chosen"]]
        for part, settings in sides(session).items():
            is_taken = part == taken
            row[part] = (
                row["selection"]
                if is_taken
                else later.score_policy(train_members(bars, bars_per_year, settings, seed))
            )
        row["members_cpu_seconds"] = time.process_time() - began
    return row


def plan(options: argparse.Namespace) -> list[tuple[str, int, str]]:
    """Return (market, seed, preset) in the order of work."""
    rows = []
    for place in range(options.seeds):
        for name in options.markets or (*PLANTED, "gaussian", "garch"):
            if name != SLOW or place < SLOW_SEEDS:
                preset = options.null_preset if name in NULLS else options.preset
                rows.append((name, options.first_seed + place, preset))
    return rows


def read_outcomes(folder: Path) -> list[JSONDict]:
    """Return the lines of earlier runs in this folder."""
    journal = folder / "outcomes.jsonl"
    return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []


def run(options: argparse.Namespace) -> None:
    done = {(row["market"], row["seed"], row["preset"]) for row in read_outcomes(options.folder)}
    left = [task for task in plan(options) if task not in done]
    if not left:
        return
    use_home(options.folder)
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    for name, seed, preset in left:
        row: dict[str, Any] = {"market": name, "seed": seed, "preset": preset, "commit": commit}
        row |= outcome(name, seed, preset, options.folder)
        with (options.folder / "outcomes.jsonl").open("a") as journal:
            journal.write(json.dumps(row) + "\n")
        score, best = (row.get(part, {}) for part in ("deployed", "oracle"))
        share = score["traded"]["sharpe"] / best["sharpe"] if score and best else np.nan
        print(f"{name} {seed} {preset}: {row['verdict']}, share {share:.2f}, {row['stages']}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir(), "acceptance"))
    parser.add_argument("--markets", nargs="*")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--null-preset", default="quick")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    run(options)
    print_tables(read_outcomes(options.folder))


if __name__ == "__main__":
    main()
