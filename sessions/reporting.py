"""The report of a session: what was tried, what it cost, what was measured, the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from patterns.models import PatternScan
from sessions.criteria import measure_criteria
from sessions.diagnostics import measure_diagnostics
from sessions.models import ModelVersion, TrainingSession, Trial
from strategies.exam import ExamResult
from strategies.leaderboard import leaderboard
from strategies.models import Tournament
from strategies.queries import exams_summary
from trainingday.display import after_verdict, number
from trainingday.markets.models import moment
from trainingday.runs.models import RunState
from trainingday.typing import JSONDict

if TYPE_CHECKING:
    from sessions.day import Day
    from sessions.model_stage import Baseline

LEADERS = 12


def build_report(
    day: Day,
    baseline: Baseline,
    candidate: ModelVersion,
    result: ExamResult,
    scan: PatternScan,
    tournament: Tournament,
    cpu_seconds: float,
) -> JSONDict:
    """Return the session's report, JSON-safe; nothing sealed is in it."""
    trials = list(Trial.objects.filter(session=day.session))
    return {
        "split": _split(day),
        "baseline": {
            "what": str(baseline.strategy),
            "is_champion": baseline.champion is not None,
            "model": baseline.model.number,
            "validation_sharpe": baseline.sharpe,
        },
        "candidate": {
            "model": candidate.number,
            "algorithm": candidate.algorithm,
            "hyperparameters": candidate.hyperparameters,
            "n_seeds": len(candidate.members),
            "settings": candidate.settings_choice,
            "overlay": candidate.overlay.get("chosen"),
            "warm_start": candidate.warm_start,
            "validation": candidate.validation,
        },
        "search": {
            "n_trials": len(trials),
            **{
                state: sum(trial.state == state for trial in trials)
                for state in ("complete", "pruned", "failed")
            },
            "n_steps": sum(trial.n_steps or 0 for trial in trials),
        },
        "tournament": {"id": tournament.pk, "rows": _leaders(tournament)},
        "patterns": {
            "n_tested": scan.n_tested,
            "n_found": scan.n_found,
            "n_confirmed": scan.n_confirmed,
            "n_new": scan.n_new,
            "recognition": scan.recognition,
        },
        "gate": result.public,
        "verdict": result.verdict,
        "reason": result.reason,
        "exams": exams_summary(day.market, day.window),
        "criteria": [
            criterion.as_dict() for criterion in measure_criteria(day, candidate, result, scan, tournament)
        ],
        "diagnostics": measure_diagnostics(day, baseline, candidate, trials),
        "cost": {
            "cpu_seconds": round(cpu_seconds, 1),
            "looks": 1 if result.look is not None and result.look.is_charged else 0,
        },
    }


def _split(day: Day) -> JSONDict:
    stamps = day.bars.timestamps
    segments = {name: getattr(day.split, name) for name in ("train", "validation", "test")}
    return {
        name: [
            moment(int(stamps[part.start])).isoformat(),
            moment(int(stamps[part.stop - 1])).isoformat(),
            part.stop - part.start,
        ]
        for name, part in segments.items()
    } | {"gap": day.split.gap}


def _leaders(tournament: Tournament) -> list[JSONDict]:
    return [
        {
            "place": standing.place,
            "strategy": standing.label,
            "operator": standing.operator,
            "generation": standing.generation,
            "sharpe_ratio": standing.sharpe_ratio,
            "total_return": standing.total_return,
            "max_drawdown": standing.max_drawdown,
            "win_rate": standing.win_rate,
            "n_trades": standing.n_trades,
        }
        for standing in leaderboard(tournament, LEADERS)
    ]


def print_report(session: TrainingSession, console: Console) -> None:
    """Print the report of a finished session for a terminal."""
    console.rule(f"Report of {session.public_id}: {session.market.slug}")
    if session.state != RunState.SUCCEEDED:
        console.print(f"[bold]{session.state}[/bold]: {session.reason}", highlight=False)
        return
    report = session.report
    console.print(_facts(session, report))
    console.print(_standings(report["tournament"]["rows"]))
    console.print(_gate(report))
    console.print(_criteria(report))
    console.print(_diagnostics(report.get("diagnostics", [])))
    reason = after_verdict(session.reason, session.verdict)
    console.print(f"[bold]Verdict: {session.verdict.replace('_', ' ')}.[/bold] {reason}", highlight=False)
    console.print(report["exams"], highlight=False)


def _facts(session: TrainingSession, report: JSONDict) -> Table:
    table = Table("What", "Measured", show_header=False, box=None, pad_edge=False)
    for name in ("train", "validation", "test"):
        first, last, n_bars = report["split"][name]
        table.add_row(name, f"{first[:10]} to {last[:10]}, {n_bars:,} bars")
    search, baseline, candidate = report["search"], report["baseline"], report["candidate"]
    table.add_row(
        "search",
        f"{search['n_trials']} trials ({search['complete']} complete, {search['pruned']} pruned, "
        f"{search['failed']} failed), {search['n_steps']:,} steps",
    )
    table.add_row("baseline", f"{baseline['what']}: validation Sharpe {number(session.baseline_sharpe)}")
    table.add_row(
        "candidate",
        f"{candidate['algorithm']}, {candidate['n_seeds']} seeds trading their mean: validation Sharpe "
        f"{number(session.new_sharpe)}",
    )
    if settings := candidate.get("settings"):
        table.add_row("settings", _settings(settings))
    table.add_row("overlay", f"{str(candidate.get('overlay') or 'none').replace('_', ' ')}, signed with it")
    if warm := candidate.get("warm_start"):
        table.add_row(
            "warm start",
            f"version {warm['parent']} trained on: {number(warm['warm_sharpe'])}, from scratch "
            f"{number(warm['scratch_sharpe'])}; taken: {warm['won']}",
        )
    patterns = report["patterns"]
    table.add_row(
        "patterns",
        f"{patterns['n_tested']:,} candidates tested, {patterns['n_found']} found, {patterns['n_confirmed']} confirmed, "
        f"{patterns['n_new']} new",
    )
    table.add_row("generation", str(session.generation))
    table.add_row("seed", f"{session.seed}, dataset {session.dataset_hash[:12]}")
    table.add_row(
        "cost",
        f"{session.duration:.0f} s, {report['cost']['cpu_seconds']:.0f} CPU seconds, {_looks(report['cost']['looks'])}",
    )
    return table


def _settings(record: JSONDict) -> str:
    return (
        f"best of {record['n_trials']} trials: {number(record['found_sharpe'])}, defaults of {record['algorithm']}: "
        f"{number(record['default_sharpe'])}, p-value {number(record['p_value'], 4)} of {number(record['level'])} "
        f"needed; taken: {record['chosen']}"
    )


def _standings(rows: list[JSONDict]) -> Table:
    table = Table(title="Tournament on validation", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("Strategy", min_width=22, overflow="fold")
    for heading in ("Sharpe", "Return [%]", "Drawdown [%]", "Win rate [%]", "Trades"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            str(row["place"] or "control"),
            row["strategy"],
            number(row["sharpe_ratio"]),
            percent(row["total_return"]),
            percent(row["max_drawdown"]),
            percent(row["win_rate"]),
            str(row["n_trades"]),
        )
    return table


def _gate(report: JSONDict) -> Table:
    table = Table(title="Gate", title_justify="left")
    for heading in ("Rule", "Needed", "Measured", "Result"):
        table.add_column(heading)
    for rule in (report["gate"] or {}).get("rules", []):
        result = {True: "pass", False: "fail", None: "–"}[rule["passed"]]
        table.add_row(rule["title"], rule["threshold"], rule["value"] or rule["reason"], result)
    return table


def _criteria(report: JSONDict) -> Table:
    table = Table(title="Success criteria", title_justify="left")
    for heading in ("Criterion", "Measured [95 % interval]", "n", "Met"):
        table.add_column(heading)
    for criterion in report["criteria"]:
        met = {True: "yes", False: "no", None: "not measured"}[criterion["met"]]
        table.add_row(criterion["title"], _with_bounds(criterion), str(criterion["n"]), met)
    return table


def _diagnostics(rows: list[JSONDict]) -> Table:
    table = Table(title="Beside the gate, on validation: these decide nothing", title_justify="left")
    for heading in ("Figure", "Measured and interval", "n"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row["title"], _with_bounds(row), f"{row['n']:,}")
    return table


def _with_bounds(row: JSONDict) -> str:
    bounds = f" [{number(row['low'])}, {number(row['high'])}]" if row["low"] is not None else ""
    return f"{number(row['value'])}{bounds}"


def _looks(count: int) -> str:
    return f"{count} look{'' if count == 1 else 's'}"


def percent(value: float | None) -> str:
    return number(None if value is None else 100 * value, 1)
