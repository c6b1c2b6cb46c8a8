"""Final trainings of a session as plain results: nothing here writes a model, so that a replay may repeat it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sessions.day import Day
from sessions.members import Member, MemberTask, fit_member, read_progress, refit_member, refit_task
from sessions.overlay_choice import choose_overlay, default_overlays
from sessions.rl.errors import TrainingDiverged
from sessions.rl.hyperparameters import default_hyperparameters
from sessions.rl.monitor import rank_value
from sessions.rl.search import trial_seed
from sessions.settings_choice import DEFAULTS, FOUND, choose_settings, default_settings
from sessions.warm_start import WARM, Origin, settle, warm_origin
from trainingday.backtest.overlay_records import Known
from trainingday.compute.executor import TaskExecutor
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.policy.network import PolicyNetwork
from trainingday.typing import JSONDict

BASELINE_ALGORITHM = "ppo"
# Seeds of final trainings come after those that any search may use.
FIRST_FINAL_INDEX = 1_000_000
Span = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Fit:
    """The best seeds of one set of hyperparameters, fitted twice.

    Attributes
    ----------
    hyperparameters : dict
    members : tuple of Member
        Fitted on train alone, best on validation first; the only ones that validation may score.
    refits : tuple of PolicyNetwork
        The same seeds on all bars before the test gap: what is examined and deployed.
    default_scores : tuple of float or None
        Validation Sharpe ratios of the default settings, trained with the same seeds.
    settings : dict
        What validation said of the best trial's settings and the default ones, see `sessions.settings_choice`;
        {} for a baseline.
    overlays : tuple of overlays
        Chosen on validation, deployed with the refits.
    overlay : dict
        What validation said of each choice, see `sessions.overlay_choice`; {} for a baseline.
    warm_start : dict
        Which won, warm start or scratch, see `sessions.warm_start`; {} where there was nothing to go on from.
    """

    hyperparameters: JSONDict
    members: tuple[Member, ...]
    refits: tuple[PolicyNetwork, ...]
    overlays: tuple[Known, ...]
    default_scores: tuple[float | None, ...] = ()
    settings: JSONDict = field(default_factory=dict)
    overlay: JSONDict = field(default_factory=dict)
    warm_start: JSONDict = field(default_factory=dict)

    @property
    def selection(self) -> PolicyEnsemble:
        return PolicyEnsemble(tuple(member.network for member in self.members if member.network))

    @property
    def deployed(self) -> PolicyEnsemble:
        return PolicyEnsemble(self.refits)


def fit_baseline(day: Day, executor: TaskExecutor, span: Span) -> Fit:
    """Return one seed of the default settings, fitted on train alone; raises TrainingDiverged."""
    hyperparameters = default_hyperparameters(BASELINE_ALGORITHM).as_dict()
    seed = trial_seed(day.session.seed, FIRST_FINAL_INDEX - 1)
    with tempfile.TemporaryDirectory(prefix="members-") as folder:
        task = MemberTask(day.task(hyperparameters, seed), str(Path(folder, "baseline")))
        ((_, member),) = _train_all(day, executor, fit_member, [task], span, ["baseline"])
    if member.network is None:
        raise TrainingDiverged(f"the baseline diverged: {member.reason}")
    overlays = default_overlays(day.bars, day.split, day.bars_per_year)
    return Fit(hyperparameters, (member,), (member.network,), overlays)


def fit_candidate(day: Day, executor: TaskExecutor, hyperparameters: JSONDict, span: Span) -> Fit:
    """Return several seeds of the settings that become the candidate, the best of them kept and refitted.

    Seeds of the best trial's settings stand beside the same seeds of the default ones, which stay unless they
    are beaten beyond chance. Where the champion is a model and train holds newer bars, as many seeds go on
    from its weights; whichever scores higher on validation becomes the candidate.

    Raises
    ------
    TrainingDiverged
        If no seed could be trained, or one that was kept could not be refitted.
    """
    size = day.preset.ensemble_size
    fit_span, refit_span = _halves(span)
    origin = warm_origin(day)
    with tempfile.TemporaryDirectory(prefix="members-") as folder:
        groups = {
            "best trial": _scratch_tasks(day, hyperparameters, day.preset.steps_factor, folder, "found"),
            "defaults": _scratch_tasks(day, default_settings(), 1.0, folder, "default"),
            "warm start": _warm_tasks(day, origin, folder),
        }
        found, defaults, warm = _fit_groups(day, executor, groups, fit_span)
        sides = {FOUND: _able(found, size), DEFAULTS: _able(defaults, size)}
        settings = _settle_settings(day, sides, [member for _, member in found])
        kept = sides[settings["chosen"]]
        if settings["chosen"] == DEFAULTS:
            hyperparameters = default_settings()
        record: JSONDict = {}
        if origin is not None:
            continued = _able(warm, size)
            record = settle(day, origin, _ensemble(kept), _ensemble(continued) if continued else None)
            if record["won"] == WARM:
                kept, hyperparameters = continued, origin.hyperparameters
        refits = _refit(day, executor, kept, refit_span)
    choice = choose_overlay(
        _ensemble(kept).positions_on(day.seen), day.seen, day.split, day.costs, day.bars_per_year
    )
    return Fit(
        hyperparameters,
        tuple(member for _, member in kept),
        refits,
        choice.overlays,
        tuple(member.score for _, member in defaults),
        settings,
        choice.record,
        record,
    )


Trained = tuple[MemberTask, Member]


def _ensemble(kept: Sequence[Trained]) -> PolicyEnsemble:
    return PolicyEnsemble(tuple(member.network for _, member in kept if member.network))


def _able(fitted: Sequence[Trained], size: int) -> list[Trained]:
    """Return the trainings that did not diverge, best on validation first."""
    ranked = sorted(fitted, key=lambda pair: -rank_value(pair[1].score))
    return [pair for pair in ranked if pair[1].network][:size]


def _settle_settings(day: Day, sides: dict[str, list[Trained]], found: Sequence[Member]) -> JSONDict:
    """Return which of the two ensembles becomes the candidate; `found` are all seeds of the best trial's settings."""
    if not any(sides.values()):
        raise TrainingDiverged(f"every final training diverged; the last: {found[-1].reason}")
    results = {
        name: day.on_validation(_ensemble(side).positions_on(day.seen)) if side else None
        for name, side in sides.items()
    }
    return choose_settings(
        results[FOUND],
        results[DEFAULTS],
        found_scores=[member.score for member in found],
        n_trials=day.n_trials,
        bars_per_year=day.bars_per_year,
    )


def _refit(
    day: Day, executor: TaskExecutor, kept: Sequence[Trained], span: Span
) -> tuple[PolicyNetwork, ...]:
    tasks = [refit_task(task, member) for task, member in kept]
    refitted = _train_all(day, executor, refit_member, tasks, span, ["refit"] * len(tasks))
    networks = tuple(member.network for _, member in refitted if member.network)
    if len(networks) < len(kept):
        raise TrainingDiverged(next(member.reason for _, member in refitted if not member.network))
    return networks


def _seeds(day: Day) -> list[int]:
    return [
        trial_seed(day.session.seed, FIRST_FINAL_INDEX + index) for index in range(day.preset.n_final_seeds)
    ]


def _scratch_tasks(
    day: Day, hyperparameters: JSONDict, steps_factor: float, folder: str, name: str
) -> list[MemberTask]:
    """Return trainings from scratch; their settings' steps are `steps_factor` times their algorithm's default."""
    n_steps = day.preset.final_steps(hyperparameters["n_steps"], steps_factor)
    return [
        MemberTask(day.task(hyperparameters, seed, n_steps=n_steps), str(Path(folder, f"{name}-{seed}")))
        for seed in _seeds(day)
    ]


def _warm_tasks(day: Day, origin: Origin | None, folder: str) -> list[MemberTask]:
    if origin is None:
        return []
    return [
        MemberTask(
            day.task(origin.hyperparameters, seed, n_steps=origin.n_steps(day), start=origin.network(index)),
            str(Path(folder, f"warm-{seed}")),
        )
        for index, seed in enumerate(_seeds(day))
    ]


def _fit_groups(
    day: Day, executor: TaskExecutor, groups: dict[str, list[MemberTask]], span: Span
) -> list[list[Trained]]:
    """Return each group's trainings; all are handed out at once, so that no process waits for a group to end."""
    tasks = [task for group in groups.values() for task in group]
    whats = [what for what, group in groups.items() for _ in group]
    fitted = iter(_train_all(day, executor, fit_member, tasks, span, whats))
    return [[next(fitted) for _ in group] for group in groups.values()]


def _train_all(
    day: Day,
    executor: TaskExecutor,
    function: Callable[[MemberTask], Member],
    tasks: Sequence[MemberTask],
    span: Span,
    whats: Sequence[str],
) -> list[Trained]:
    """Return (task, member) in order, telling live pages how each learns; `whats` names each task's part."""
    members: dict[int, Member] = {}
    told: dict[str, int] = {}

    def on_done(position: int, member: Member) -> None:
        members[position] = member
        if member.curve:
            _tell_whole_curve(day, member, whats[position])

    def on_wait() -> None:
        # A worker on another machine may have no folder in common with this one: its part counts when done.
        reports = {place: report for place, task in enumerate(tasks) if (report := read_progress(task))}
        parts = [
            reports[place]["step"] / reports[place]["n_steps"] for place in reports.keys() - members.keys()
        ]
        share = (len(members) + sum(parts)) / len(tasks)
        progress = span[0] + (span[1] - span[0]) * min(share, 1.0)
        if function is fit_member:  # a refit has no validation to show
            for place, (task, what) in enumerate(zip(tasks, whats, strict=True)):
                if place not in members:
                    _tell_curve(day, task, told, what)
        rate = sum(
            report["steps_per_second"] for report in reports.values() if report["step"] < report["n_steps"]
        )
        detail = f"{whats[min(len(members), len(tasks) - 1)]}: {len(members)} of {len(tasks)} seeds done"
        day.context.tick(progress, {"detail": f"{detail}, {rate:,.0f} steps/s" if rate else detail})

    executor.run(function, tasks, on_done=on_done, on_wait=on_wait)
    on_wait()
    return [(task, members[position]) for position, task in enumerate(tasks)]


def _tell_curve(day: Day, task: MemberTask, told: dict[str, int], what: str) -> None:
    report = read_progress(task)
    if report and told.get(task.progress_file) != report["step"]:
        told[task.progress_file] = report["step"]
        day.context.emit("curve", {"seed": task.task.seed, "part": what, **report})


def _tell_whole_curve(day: Day, member: Member, what: str) -> None:
    """Tell of every checkpoint at once: these points replace those that were told meanwhile."""
    points = [
        {"step": point["step"], "validation_sharpe": point["validation_sharpe"]} for point in member.curve
    ]
    day.context.emit("curve", {"seed": member.seed, "part": what, "points": points})


def _halves(span: Span) -> tuple[Span, Span]:
    middle = (span[0] + span[1]) / 2
    return (span[0], middle), (middle, span[1])
