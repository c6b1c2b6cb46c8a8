"""Replay: a finished session once more from its frozen inputs, compared bit for bit with what it recorded.

It ends at the door of the exam room. Nothing is computed on test bars, no exam is charged, and no trial, model, strategy,
champion or validation record is written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from sessions.bits import BitsDiffer, compare
from sessions.day import Day, environment, open_day
from sessions.final_training import Fit, fit_baseline, fit_candidate
from sessions.model_stage import beaten_strategy, own_baseline, validation_sharpe
from sessions.models import ModelVersion, SessionReplay, Trial
from sessions.rl.search import evaluate_trial
from sessions.search_stage import best_trials, n_batches, suggest_trials, take_result, trial_tasks
from sessions.trial_executor import open_trial_executor
from strategies.models import ValidationRecord
from strategies.queries import best_validation
from strategies.traded_model import TradedModel
from trainingday.compute.executor import TaskExecutor
from trainingday.exceptions import StateConflict
from trainingday.runs.context import RunContext
from trainingday.typing import JSONDict

SEARCH_SPAN = (0.1, 0.6)
FINAL_SPAN = (0.6, 0.98)
TRIAL_FIELDS = (
    "hyperparameters", "seed", "state", "score", "reason", "intermediate", "blocks", "n_steps", "weights_hash",
)  # fmt: skip
MEMBER_FIELDS = ("seed", "validation_sharpe", "best_step", "weights_hash", "reason")


def execute(context: RunContext) -> str:
    """Carry out the replay; return its result in a sentence."""
    replay = cast(SessionReplay, context.run)
    now = environment()
    changed = environment_differences(replay.original.environment, now)
    with context.transaction(environment=now, environment_differences=changed):
        pass
    with open_day(context, replay.original) as day, open_trial_executor(day) as executor:
        bench = _Bench(day, list(replay.checked))
        try:
            _compare_all(day, executor, bench)
        except BitsDiffer as found:
            difference = {"where": found.where, "original": found.original, "replayed": found.replayed}
            with context.transaction(result=SessionReplay.Result.DIFFERENT, difference=difference):
                pass
            return f"Different bits. First difference: {found}.{_because(changed)}"
    with context.transaction(result=SessionReplay.Result.SAME):
        pass
    return f"Same bits: {bench.n_values:,} values are equal.{_because(changed)}"


def environment_differences(original: JSONDict, now: JSONDict) -> list[list[str]]:
    """Return name, original's value and today's of every version, thread count or CPU that changed."""
    names = dict.fromkeys([*original, *now])
    pairs = [(name, str(original.get(name, "–")), str(now.get(name, "–"))) for name in names]
    return [list(row) for row in pairs if row[1] != row[2]]


class _Bench:
    """Where results are laid beside the original's; what agreed is committed, so an attempt goes on from there."""

    def __init__(self, day: Day, checked: list[JSONDict]) -> None:
        self._day, self._checked = day, checked

    @property
    def n_values(self) -> int:
        return sum(int(part["n_values"]) for part in self._checked)

    def part(self, name: str, check: Callable[[], int]) -> None:
        """Run a check unless an earlier attempt has; its values are then known to agree."""
        if any(part["part"] == name for part in self._checked):
            return
        self._checked.append({"part": name, "n_values": check()})
        with self._day.context.transaction(checked=self._checked):
            self._day.context.add_event("note", {"text": f"{name}: same bits"})


def _compare_all(day: Day, executor: TaskExecutor, bench: _Bench) -> None:
    day.context.stage("baseline", 0.02)
    bench.part("baseline", lambda: _baseline(day, executor))
    day.context.stage("search", SEARCH_SPAN[0])
    for batch in range(n_batches(day)):
        bench.part(f"search, batch {batch + 1}", partial(_search, day, executor, batch))
    day.context.stage("training", FINAL_SPAN[0])
    candidate = day.session.model_versions.exclude(stage=ModelVersion.Stage.BASELINE).first()
    if candidate is None:
        raise StateConflict(f"{day.session.public_id} has recorded no candidate to compare with")
    bench.part("final seeds", lambda: _final(day, executor, candidate))
    bench.part("what the verdict rests on", lambda: _verdict_inputs(day, candidate))


def _baseline(day: Day, executor: TaskExecutor) -> int:
    """Compare the baseline's training, where the session did one, and the score to beat."""
    own = own_baseline(day)
    n_values = 0
    if own is not None:
        n_values += _fit_against(day, own, fit_baseline(day, executor, (0.02, SEARCH_SPAN[0])), "baseline")
    model = own or day.found.query_model()
    if model is None:
        raise StateConflict(f"{day.session.public_id} has recorded no model to beat")
    again = validation_sharpe(day, beaten_strategy(day, day.found.query_champion(), model))
    return n_values + compare("Sharpe ratio to beat", day.session.baseline_sharpe, again)


def _search(day: Day, executor: TaskExecutor, batch: int) -> int:
    """Compare one batch: what the original's trials before it suggest, and what those trials give."""
    originals = list(Trial.objects.filter(session=day.session, batch=batch).order_by("index"))
    trials = suggest_trials(day, batch)
    share = (SEARCH_SPAN[1] - SEARCH_SPAN[0]) / n_batches(day)

    def on_wait() -> None:
        done = SEARCH_SPAN[0] + batch * share
        day.context.tick(done, {"detail": f"trials {trials[0].index + 1} to {trials[-1].index + 1}"})

    executor.run(
        evaluate_trial,
        trial_tasks(day, trials),
        on_done=lambda position, result: take_result(trials[position], result),
        on_wait=on_wait,
    )
    n_values = compare("trials", [row.index for row in originals], [trial.index for trial in trials])
    for original, trial in zip(originals, trials, strict=True):
        fields: list[dict[str, Any]] = [
            {name: getattr(row, name) for name in TRIAL_FIELDS} for row in (original, trial)
        ]
        n_values += compare(f"trial {trial.index}", *fields)
    return n_values


def _final(day: Day, executor: TaskExecutor, candidate: ModelVersion) -> int:
    best = best_trials(list(Trial.objects.filter(session=day.session)))[0]
    fit = fit_candidate(day, executor, best.hyperparameters, FINAL_SPAN)
    return _fit_against(day, candidate, fit, "candidate")


def _fit_against(day: Day, version: ModelVersion, fit: Fit, name: str) -> int:
    """Compare a training with the version that the session recorded of it."""
    members = [
        [{key: member.get(key) for key in MEMBER_FIELDS} | {"curve": _scores(member)} for member in side]
        for side in (version.members, [member.as_dict() for member in fit.members])
    ]
    n_values = compare(f"{name}, hyperparameters", version.hyperparameters, fit.hyperparameters)
    n_values += compare(f"{name}, seed", *members)
    n_values += compare(f"{name}, weights hash", version.weights_hash, fit.deployed.weights_hash())
    n_values += compare(f"{name}, default settings", version.default_scores, list(fit.default_scores))
    n_values += compare(f"{name}, settings", version.settings_choice, fit.settings)
    n_values += compare(f"{name}, warm start", version.warm_start, fit.warm_start)
    n_values += compare(f"{name}, overlay", version.overlay, fit.overlay)
    positions = TradedModel(fit.selection, fit.overlays).positions_on(day.seen)
    metrics = day.validation_metrics(positions).as_dict()
    return n_values + compare(f"{name}, validation", version.validation, metrics)


def _scores(member: JSONDict) -> list[list[Any]]:
    """Return the learning curve without its speed, which is the machine's."""
    return [[point["step"], point["validation_sharpe"]] for point in member["curve"]]


def _verdict_inputs(day: Day, candidate: ModelVersion) -> int:
    """Compare what decided whether the candidate sat the exam; the exam itself stays sealed and unrepeated."""
    n_values = compare("validation Sharpe ratio", day.session.new_sharpe, candidate.validation_sharpe)
    n_values += compare("dataset", day.session.dataset_hash, day.dataset.sha256)
    record = ValidationRecord.objects.filter(run_kind=day.session.kind, run_pk=day.session.pk).first()
    if record is None:
        return n_values
    n_values += compare("score handed to the exam room", record.score, candidate.validation_sharpe)
    best = best_validation(day.market, day.window, before=record.pk)
    is_record = record.score is not None and (best is None or record.score > best)
    champion = day.found.query_champion()
    is_record &= champion is None or champion.strategy_id != candidate.strategy_id
    return n_values + compare("sat an exam", day.session.look_id is not None, is_record)


def _because(changed: list[list[str]]) -> str:
    if not changed:
        return ""
    parts = [f"{name} {before} → {after}" for name, before, after in changed]
    return f" The environment is not the original's: {'; '.join(parts)}."
