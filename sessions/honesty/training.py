"""The quick preset's search and final trainings in one process, by the functions that sessions use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sessions.members import Member, MemberTask, fit_member, refit_member, refit_task
from sessions.model_stage import FIRST_FINAL_INDEX
from sessions.overlay_choice import choose_overlay
from sessions.rl.monitor import rank_value
from sessions.rl.presets import Preset, get_preset
from sessions.rl.search import (
    SearchSpace,
    TrialRecord,
    TrialState,
    TrialTask,
    evaluate_trial,
    pruning_thresholds,
    suggest_batch,
    trial_seed,
)
from sessions.settings_choice import FOUND, choose_settings, default_settings
from strategies.grading import ExamRoom
from strategies.traded_model import TradedModel
from trainingday.backtest.engine import run_backtest
from trainingday.backtest.overlay_records import Known
from trainingday.backtest.result import BacktestResult
from trainingday.compute.bundles import save_bundle
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.typing import FloatArray, JSONDict


def train_quickly(
    room: ExamRoom, seed: int, folder: Path, preset: Preset | None = None
) -> TradedModel | None:
    """Return the candidate of a session with the quick preset; None where every trial or seed diverged.

    Searched on train and validation, the best settings and the default ones trained with several seeds each,
    those that validation chose fitted again on all bars before the test gap, and traded with the overlay that validation
    chose: what is examined is what would be deployed.
    """
    preset = preset or get_preset("quick")
    seed %= 2**31
    bundle = folder / "bars.npz"
    save_bundle(bundle, room.bars[: room.split.validation.stop])
    records: list[TrialRecord] = []
    space = SearchSpace(steps_factor=preset.steps_factor)
    while len(records) < preset.n_trials:
        records += _batch(room, seed, str(bundle), preset, space, records)
    complete = [record for record in records if record.state == TrialState.COMPLETE]
    if not complete:
        return None
    best = max(complete, key=lambda record: (record.score or 0.0, -record.index))
    return _train(room, seed, str(bundle), preset, best, folder)


def _batch(
    room: ExamRoom, seed: int, bundle: str, preset: Preset, space: SearchSpace, records: list[TrialRecord]
) -> list[TrialRecord]:
    first = len(records)
    size = min(preset.batch_size, preset.n_trials - first)
    suggestions = suggest_batch(records, first // preset.batch_size, size, seed, space)
    thresholds = pruning_thresholds(records)
    found = []
    for index, settings in enumerate(suggestions, first):
        task = _task(room, settings, trial_seed(seed, index), bundle, prune_below=thresholds)
        result = evaluate_trial(task)
        found.append(TrialRecord(index, settings, result.state, result.score, tuple(result.intermediate)))
    return found


def _train(
    room: ExamRoom, seed: int, bundle: str, preset: Preset, best: TrialRecord, folder: Path
) -> TradedModel | None:
    settings, plain = dict(best.hyperparameters), default_settings()
    n_steps = preset.final_steps(settings["n_steps"], preset.steps_factor)
    found = _fit(room, seed, bundle, preset, settings, n_steps, folder / "found")
    n_steps = preset.final_steps(plain["n_steps"])
    defaults = _fit(room, seed, bundle, preset, plain, n_steps, folder / "default")
    if not found and not defaults:
        return None
    results = [_on_validation(room, side) if side else None for side in (found, defaults)]
    record = choose_settings(
        *results, found_scores=(), n_trials=preset.n_trials, bars_per_year=room.bars_per_year
    )
    kept = found if record["chosen"] == FOUND else defaults
    refits = [refit_member(refit_task(task, member)) for task, member in kept]
    networks = tuple(member.network for member in refits if member.network is not None)
    if len(networks) < len(kept):
        return None
    return TradedModel(PolicyEnsemble(networks), _overlays(room, kept))


Trained = tuple[MemberTask, Member]


def _fit(
    room: ExamRoom, seed: int, bundle: str, preset: Preset, settings: JSONDict, n_steps: int, file: Path
) -> list[Trained]:
    """Return the seeds that did not diverge, best on validation first, as many as an ensemble holds."""
    fitted = []
    for place in range(preset.n_final_seeds):
        own = trial_seed(seed, FIRST_FINAL_INDEX + place)
        task = MemberTask(_task(room, settings, own, bundle, n_steps=n_steps), f"{file}-{place}")
        fitted.append((task, fit_member(task)))
    able = [pair for pair in fitted if pair[1].network is not None]
    return sorted(able, key=lambda pair: -rank_value(pair[1].score))[: preset.ensemble_size]


def _positions(room: ExamRoom, kept: Sequence[Trained]) -> FloatArray:
    """Return the mean position, over the bars before the test gap, of fits on train alone."""
    selection = PolicyEnsemble(tuple(member.network for _, member in kept if member.network))
    return selection.positions_on(room.bars[: room.split.validation.stop])


def _on_validation(room: ExamRoom, kept: Sequence[Trained]) -> BacktestResult:
    part = room.split.validation
    positions = _positions(room, kept)[part]
    return run_backtest(room.bars[part], positions, room.costs, bars_per_year=room.bars_per_year)


def _overlays(room: ExamRoom, kept: Sequence[Trained]) -> tuple[Known, ...]:
    """Return what validation chose for the fits on train alone."""
    seen = room.bars[: room.split.validation.stop]
    return choose_overlay(_positions(room, kept), seen, room.split, room.costs, room.bars_per_year).overlays


def _task(
    room: ExamRoom,
    settings: JSONDict,
    seed: int,
    bundle: str,
    *,
    n_steps: int | None = None,
    prune_below: tuple[float, ...] = (),
) -> TrialTask:
    train, validation = room.split.train, room.split.validation
    return TrialTask(
        hyperparameters=settings,
        seed=seed,
        dataset=bundle,
        train=(train.start, train.stop),
        validation=(validation.start, validation.stop),
        costs=room.costs,
        bars_per_year=room.bars_per_year,
        n_steps=n_steps,
        prune_below=prune_below,
    )
