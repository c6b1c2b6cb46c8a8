"""One training session, from the bars to the verdict."""

from __future__ import annotations

import os
import time
from typing import cast

from django.db.models import Max

from patterns.models import PatternScan
from patterns.scan import run_scan
from sessions.day import Day, environment, open_day
from sessions.inputs import freeze_inputs
from sessions.model_stage import Baseline, honest_strategy, prepare_baseline, train_candidate
from sessions.models import ModelVersion, TrainingSession
from sessions.reporting import build_report
from sessions.search_stage import best_trials, search
from sessions.trial_executor import open_trial_executor
from strategies.exam import ExamResult, examine
from strategies.models import Tournament
from strategies.plans import session_configuration
from strategies.tournament import run_tournament
from trainingday.compute.executor import TaskExecutor
from trainingday.exceptions import TrainingDayError
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunState, Trigger

# Stage and the share of the whole that is done before it; shares are from sessions timed on two cores.
STAGES = {
    "patterns": 0.02,
    "baseline": 0.08,
    "tournament": 0.16,
    "search": 0.20,
    "training": 0.65,
    "evidence": 0.95,
    "record": 0.98,
}
MIN_BASELINE_FOR_PERCENT = 0.1


class NothingTrained(TrainingDayError):
    """Every trial of the search failed or was pruned."""


def execute(context: RunContext) -> str:
    """Carry out the session; return the verdict in a sentence.

    Every stage finds what an earlier attempt has committed and goes on from there, so that a session that
    was killed ends as an undisturbed one.
    """
    began = time.monotonic()
    cpu_before = _cpu_seconds()
    session = cast(TrainingSession, context.run)
    freeze_inputs(context, session)
    with open_day(context, session) as day, open_trial_executor(day) as executor:
        with context.transaction(environment=environment()):
            pass
        scan = _scan(day)
        context.stage("baseline", STAGES["baseline"])
        baseline = prepare_baseline(day, executor, (STAGES["baseline"], STAGES["tournament"]))
        tournament = _tournament(day, executor, baseline)
        candidate = _search_and_train(day, executor)
        context.stage("evidence", STAGES["evidence"])
        result = _examine(day, candidate)
        context.stage("record", STAGES["record"])
        executor.close(wait=True)
        _record(day, baseline, candidate, result, scan, tournament, time.monotonic() - began, cpu_before)
    return result.reason


def _scan(day: Day) -> PatternScan:
    day.context.stage("patterns", STAGES["patterns"])
    scan = day.session.scan
    if scan is None:
        scan = PatternScan(market=day.market, dataset=day.dataset, seed=day.session.seed, **_part())
        with day.context.transaction():
            scan.save()
            TrainingSession.objects.filter(pk=day.session.pk).update(scan=scan)
    if scan.state != RunState.SUCCEEDED:
        run_scan(day.context, scan, day.bars, day.split, span=(STAGES["patterns"], STAGES["baseline"]))
    with day.context.transaction(patterns_discovered=scan.n_new or 0):
        pass
    return scan


def _tournament(day: Day, executor: TaskExecutor, baseline: Baseline) -> Tournament:
    day.context.stage("tournament", STAGES["tournament"])
    tournament = day.session.tournament
    if tournament is None:
        model = honest_strategy(baseline.model, day)
        tournament = Tournament(
            market=day.market,
            dataset=day.dataset,
            seed=day.session.seed,
            n_generations=1,
            configuration=session_configuration(model.artifact),
            **_part(),
        )
        with day.context.transaction():
            tournament.save()
            TrainingSession.objects.filter(pk=day.session.pk).update(tournament=tournament)
    if tournament.state != RunState.SUCCEEDED:
        span = (STAGES["tournament"], STAGES["search"])
        run_tournament(day.context, tournament, day.bars, day.split, executor=executor, progress_span=span)
    return tournament


def _search_and_train(day: Day, executor: TaskExecutor) -> ModelVersion:
    day.context.stage("search", STAGES["search"])
    trials = search(day, executor, (STAGES["search"], STAGES["training"]))
    ranked = best_trials(trials)
    if not ranked:
        reasons = sorted({trial.reason for trial in trials if trial.reason})
        raise NothingTrained(f"none of {len(trials)} trials completed: {'; '.join(reasons)[:500]}")
    day.context.stage("training", STAGES["training"])
    return train_candidate(day, executor, ranked[0], (STAGES["training"], STAGES["evidence"]))


def _examine(day: Day, candidate: ModelVersion) -> ExamResult:
    """Sit the session's one exam; the model's stage changes in the transaction that stores the verdict."""

    def also(result: ExamResult) -> None:
        if not result.has_passed:  # a new champion's stage follows the title, see sessions/stages.py
            candidate.stage, candidate.stage_reason = ModelVersion.Stage.REJECTED, result.reason
            candidate.save(update_fields=["stage", "stage_reason"])
        day.context.add_event("verdict", {"verdict": result.verdict, "reason": result.reason})

    return examine(
        day.context,
        market=day.market,
        dataset=day.dataset,
        window=day.window,
        split=day.split,
        bars=day.bars,
        strategy=candidate.strategy,
        score=candidate.validation_sharpe,
        also=also,
    )


def _record(
    day: Day,
    baseline: Baseline,
    candidate: ModelVersion,
    result: ExamResult,
    scan: PatternScan,
    tournament: Tournament,
    seconds: float,
    cpu_before: float,
) -> None:
    cpu_seconds = _cpu_seconds() - cpu_before
    last = TrainingSession.objects.filter(market=day.market).aggregate(last=Max("generation"))["last"] or 0
    fields = {
        "generation": day.session.generation or last + 1,
        "baseline_sharpe": baseline.sharpe,
        "new_sharpe": candidate.validation_sharpe,
        "improvement_percent": improvement_percent(baseline.sharpe, candidate.validation_sharpe),
        "model_path": candidate.artifact if result.has_passed else "",
        "verdict": result.verdict,
        "look": result.look,
        "duration": seconds,
        "cpu_seconds": cpu_seconds,
        "report": build_report(day, baseline, candidate, result, scan, tournament, cpu_seconds),
    }
    with day.context.transaction(**fields):
        pass


def improvement_percent(baseline: float | None, new: float | None) -> float | None:
    """Return the change in percent of the baseline, None where the baseline is below 0.1 or undefined."""
    if baseline is None or new is None or baseline < MIN_BASELINE_FOR_PERCENT:
        return None
    return 100 * (new - baseline) / baseline


def _part() -> dict[str, object]:
    return {"is_part": True, "state": RunState.RUNNING, "trigger": Trigger.SESSION}


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
