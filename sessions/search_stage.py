"""The hyperparameter search of a session: suggest a batch, evaluate it, commit it, go on."""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.db.models import Max

from sessions.day import Day
from sessions.models import Trial
from sessions.rl.search import (
    SearchSpace,
    TrialRecord,
    TrialResult,
    TrialTask,
    evaluate_trial,
    pruning_thresholds,
    suggest_batch,
    trial_seed,
)
from sessions.rl.suggestions import TrialState
from trainingday.compute.executor import TaskExecutor


def search(day: Day, executor: TaskExecutor, span: tuple[float, float]) -> list[Trial]:
    """Return every trial, after evaluating those that no earlier attempt has committed.

    A batch is suggested from the committed trials before it alone, so a killed search goes on as an
    undisturbed one would.
    """
    for batch in range(n_batches(day)):
        trials = _batch(day, batch)
        waiting = [trial for trial in trials if trial.state == Trial.State.WAITING]
        if waiting:
            _evaluate(day, executor, waiting, span)
    done = list(Trial.objects.filter(session=day.session).exclude(state=Trial.State.WAITING))
    with day.context.transaction(hyperparams_tested=len(done)):
        pass
    return done


def best_trials(trials: Sequence[Trial]) -> list[Trial]:
    """Return the complete trials, best validation Sharpe first; an undefined Sharpe ranks as 0."""
    complete = [trial for trial in trials if trial.state == Trial.State.COMPLETE]
    return sorted(complete, key=lambda trial: (-(trial.score or 0.0), trial.index))


def n_batches(day: Day) -> int:
    return -(-day.n_trials // day.preset.batch_size)


def suggest_trials(day: Day, batch: int) -> list[Trial]:
    """Return the unsaved rows of a batch, as the session's committed trials before it suggest them."""
    first = batch * day.preset.batch_size
    size = min(day.preset.batch_size, day.n_trials - first)
    space = SearchSpace(steps_factor=day.preset.steps_factor)
    suggestions = suggest_batch(_records(day, batch), batch, size, day.session.seed, space)
    return [
        Trial(
            session=day.session,
            index=first + offset,
            batch=batch,
            hyperparameters=hyperparameters,
            seed=trial_seed(day.session.seed, first + offset),
        )
        for offset, hyperparameters in enumerate(suggestions)
    ]


def trial_tasks(day: Day, trials: Sequence[Trial]) -> list[TrialTask]:
    """Return what evaluating trials of one batch depends on."""
    thresholds = pruning_thresholds(_records(day, trials[0].batch))
    return [day.task(trial.hyperparameters, trial.seed, prune_below=thresholds) for trial in trials]


def take_result(trial: Trial, result: TrialResult) -> None:
    """Write how a trial ended onto its row, unsaved."""
    trial.state = result.state.value
    trial.score, trial.reason = result.score, result.reason
    trial.intermediate, trial.seconds = list(result.intermediate), result.seconds
    trial.n_steps, trial.weights_hash = result.n_steps, result.weights_hash or ""
    trial.blocks = [list(block) for block in result.blocks]


def _batch(day: Day, batch: int) -> list[Trial]:
    """Return the rows of a batch, suggesting and committing them where they do not exist yet."""
    rows = list(Trial.objects.filter(session=day.session, batch=batch))
    if rows:
        return rows
    rows = suggest_trials(day, batch)
    with day.context.transaction():
        Trial.objects.bulk_create(rows)
    return rows


def _evaluate(day: Day, executor: TaskExecutor, waiting: list[Trial], span: tuple[float, float]) -> None:
    tasks = trial_tasks(day, waiting)
    best = Trial.objects.filter(session=day.session, state=Trial.State.COMPLETE).aggregate(best=Max("score"))[
        "best"
    ]
    n_done = waiting[0].index
    began = time.monotonic()
    steps = 0

    def fraction() -> float:
        return span[0] + (span[1] - span[0]) * n_done / day.n_trials

    def on_done(position: int, result: TrialResult) -> None:
        nonlocal best, n_done, steps
        n_done += 1
        steps += result.n_steps
        if result.score is not None and result.state == TrialState.COMPLETE:
            best = result.score if best is None else max(best, result.score)
        _commit(day, waiting[position], result, n_done, best, fraction())

    def on_wait() -> None:
        rate = steps / max(time.monotonic() - began, 1e-9)
        detail = f"trial {min(n_done + 1, day.n_trials)} of {day.n_trials}"
        detail += f", {rate:,.0f} steps/s" if steps else ""
        day.context.tick(fraction(), {"detail": detail, "n_done": n_done, "n_total": day.n_trials})

    executor.run(evaluate_trial, tasks, on_done=on_done, on_wait=on_wait)


def _commit(
    day: Day, trial: Trial, result: TrialResult, n_done: int, best: float | None, progress: float
) -> None:
    take_result(trial, result)
    fields = ["state", "score", "reason", "intermediate", "seconds", "n_steps", "weights_hash", "blocks"]
    with day.context.transaction(hyperparams_tested=n_done, progress=progress):
        trial.save(update_fields=fields)
        day.context.add_event(
            "trial",
            {
                "index": trial.index,
                "state": trial.state,
                "score": trial.score,
                "intermediate": trial.intermediate,
                "hyperparameters": trial.hyperparameters,
                "seconds": round(result.seconds, 2),
                "reason": trial.reason,
                "n_done": n_done,
                "n_total": day.n_trials,
                "best": best,
                "progress": progress,
            },
        )


def _records(day: Day, batch: int) -> list[TrialRecord]:
    """Return what the search knew before a batch."""
    rows = Trial.objects.filter(session=day.session, batch__lt=batch).exclude(state=Trial.State.WAITING)
    return [
        TrialRecord(row.index, row.hyperparameters, row.state, row.score, tuple(row.intermediate))
        for row in rows
    ]
