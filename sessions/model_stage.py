"""Models of a session: the baseline to beat, and the candidate trained with the best settings."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Max

from sessions.day import Day
from sessions.executor import TrialExecutor
from sessions.members import Member, MemberTask, fit_member, read_progress, refit_member, with_steps
from sessions.models import ModelVersion, Trial
from sessions.queries import current_best
from sessions.rl.errors import TrainingDiverged
from sessions.rl.hyperparameters import default_hyperparameters
from sessions.rl.monitor import rank_value
from sessions.rl.search import trial_seed
from strategies.models import Champion, Strategy
from strategies.positions import MODEL_FAMILY, get_or_create_strategy, positions_of
from strategies.queries import current_champion
from strategies.store import artifact_store
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.policy.network import PolicyNetwork
from trainingday.policy.storage import save_policy
from trainingday.stats.criteria import MIN_SEEDS
from trainingday.typing import JSONDict

BASELINE_ALGORITHM = "ppo"

# Seeds of final trainings come after those that any search may use.
FIRST_FINAL_INDEX = 1_000_000


@dataclass(frozen=True)
class Baseline:
    """What the session has to beat, and the model that stands for learning in the tournament.

    Attributes
    ----------
    champion : Champion or None
    strategy : Strategy
        The champion, or the baseline model where the market has no champion; scored on validation.
    model : ModelVersion
    sharpe : float or None
        Its Sharpe ratio on this session's validation bars.
    """

    champion: Champion | None
    strategy: Strategy
    model: ModelVersion
    sharpe: float | None


def prepare_baseline(day: Day, executor: TrialExecutor, span: tuple[float, float]) -> Baseline:
    """Return the champion, or the market's baseline model, scored anew on this session's validation bars."""
    champion = current_champion(day.market)
    model = current_best(day.market)
    if model is None:
        model = ModelVersion.objects.filter(
            market=day.market, stage=ModelVersion.Stage.BASELINE, train_last_us__lt=_validation_start(day)
        ).first()
    if model is None:
        model = _create_baseline(day, executor, span)
    is_model = champion is None or champion.strategy_id == model.strategy_id
    strategy = honest_strategy(model, day) if is_model or champion is None else champion.strategy
    metrics = day.validation_metrics(positions_of(strategy, day.bars))
    return Baseline(champion, strategy, model, metrics.sharpe_ratio)


def honest_strategy(model: ModelVersion, day: Day) -> Strategy:
    """Return the fit of a model that has not been trained on this session's validation bars."""
    return model.strategy if model.train_last_us < _validation_start(day) else model.selection_strategy


def train_candidate(
    day: Day, executor: TrialExecutor, best: Trial, span: tuple[float, float]
) -> ModelVersion:
    """Return the candidate: several seeds of the best settings, the best of them trading their mean.

    It is scored on validation as fitted on train alone, and then fitted again on all bars before the
    test gap: that last artefact is what is examined and, if it passes, deployed.
    """
    n_steps = round(best.hyperparameters["n_steps"] * day.preset.final_steps_factor / day.preset.steps_factor)
    seeds = [
        trial_seed(day.session.seed, FIRST_FINAL_INDEX + index) for index in range(day.preset.n_final_seeds)
    ]
    fit_span, refit_span = _halves(span)
    with tempfile.TemporaryDirectory(prefix="members-") as folder:
        tasks = [
            MemberTask(
                day.task(best.hyperparameters, seed, n_steps=n_steps), str(Path(folder, f"fit-{seed}"))
            )
            for seed in seeds
        ]
        defaults = _default_tasks(day, best, seeds, folder)
        fitted = _train_all(day, executor, fit_member, [*tasks, *defaults], fit_span, "fit on train")
        default_scores = [member.score for _, member in fitted[len(tasks) :]]
        fitted = fitted[: len(tasks)]
        kept = [
            pair for pair in sorted(fitted, key=lambda pair: -rank_value(pair[1].score)) if pair[1].network
        ]
        kept = kept[: day.preset.ensemble_size]
        if not kept:
            raise TrainingDiverged(f"every final training diverged; the last: {fitted[-1][1].reason}")
        refits = [with_steps(task, member.best_step, f"{task.progress_file}-refit") for task, member in kept]
        refitted = _train_all(day, executor, refit_member, refits, refit_span, "refit on train + validation")
    networks = [member.network for _, member in refitted if member.network]
    if len(networks) < len(kept):
        raise TrainingDiverged(next(member.reason for _, member in refitted if not member.network))
    return _save_candidate(day, best, [member for _, member in kept], networks, default_scores)


def _default_tasks(day: Day, best: Trial, seeds: Sequence[int], folder: str) -> list[MemberTask]:
    """Return trainings of the algorithm's default settings with the same seeds: what the search is worth.

    With fewer than 5 seeds nothing can be said about that, and none is trained.
    """
    if len(seeds) < MIN_SEEDS:
        return []
    plain = default_hyperparameters(best.hyperparameters["algorithm"])
    n_steps = round(plain.n_steps * day.preset.final_steps_factor)
    return [
        MemberTask(day.task(plain.as_dict(), seed, n_steps=n_steps), str(Path(folder, f"default-{seed}")))
        for seed in seeds
    ]


def _train_all(
    day: Day,
    executor: TrialExecutor,
    function: Callable[[MemberTask], Member],
    tasks: Sequence[MemberTask],
    span: tuple[float, float],
    what: str,
) -> list[tuple[MemberTask, Member]]:
    """Return (task, member) in order, telling live pages about each checkpoint."""
    members: dict[int, Member] = {}
    told: dict[str, int] = {}

    def on_done(position: int, member: Member) -> None:
        members[position] = member

    def on_wait() -> None:
        reports = [report for task in tasks if (report := read_progress(task))]
        share = sum(report["step"] / report["n_steps"] for report in reports) / len(tasks)
        progress = span[0] + (span[1] - span[0]) * min(share, 1.0)
        for task in tasks if function is fit_member else ():  # a refit has no validation to show
            _tell_curve(day, task, told, what)
        rate = sum(report["steps_per_second"] for report in reports if report["step"] < report["n_steps"])
        detail = f"{what}: {len(members)} of {len(tasks)} seeds done"
        day.context.tick(progress, {"detail": f"{detail}, {rate:,.0f} steps/s" if rate else detail})

    executor.run(function, tasks, on_done=on_done, on_wait=on_wait)
    on_wait()
    return [(task, members[position]) for position, task in enumerate(tasks)]


def _tell_curve(day: Day, task: MemberTask, told: dict[str, int], what: str) -> None:
    report = read_progress(task)
    if report and told.get(task.progress_file) != report["step"]:
        told[task.progress_file] = report["step"]
        day.context.emit("curve", {"seed": task.task.seed, "part": what, **report})


def _create_baseline(day: Day, executor: TrialExecutor, span: tuple[float, float]) -> ModelVersion:
    hyperparameters = default_hyperparameters(BASELINE_ALGORITHM).as_dict()
    seed = trial_seed(day.session.seed, FIRST_FINAL_INDEX - 1)
    with tempfile.TemporaryDirectory(prefix="members-") as folder:
        task = MemberTask(day.task(hyperparameters, seed), str(Path(folder, "baseline")))
        ((_, member),) = _train_all(day, executor, fit_member, [task], span, "baseline on train")
    if member.network is None:
        raise TrainingDiverged(f"the baseline diverged: {member.reason}")
    strategy = _store(day, [member.network], day.split.train, hyperparameters)
    reason = (
        f"{BASELINE_ALGORITHM.upper()} with default settings: the model to beat until there is a champion"
    )
    return _create_version(
        day,
        stage=ModelVersion.Stage.BASELINE,
        stage_reason=reason,
        hyperparameters=hyperparameters,
        members=[member],
        strategy=strategy,
        selection_strategy=strategy,
        train=day.split.train,
        networks=[member.network],
    )


def _save_candidate(
    day: Day,
    best: Trial,
    members: list[Member],
    networks: list[PolicyNetwork],
    default_scores: list[float | None],
) -> ModelVersion:
    selection = _store(day, [m.network for m in members if m.network], day.split.train, best.hyperparameters)
    everything = slice(0, day.split.validation.stop)
    strategy = _store(day, networks, everything, best.hyperparameters)
    return _create_version(
        day,
        stage=ModelVersion.Stage.CANDIDATE,
        stage_reason=f"best of {day.session.trials.count()} trials on validation",
        hyperparameters=best.hyperparameters,
        members=members,
        strategy=strategy,
        selection_strategy=selection,
        train=everything,
        networks=networks,
        default_scores=default_scores,
    )


def _store(day: Day, networks: Sequence[PolicyNetwork], train: slice, hyperparameters: JSONDict) -> Strategy:
    """Save the artefact, durable before any row names it, and return its strategy."""
    manifest = {
        "algorithm": hyperparameters["algorithm"],
        "dataset_sha256": day.dataset.sha256,
        "train_first_us": int(day.bars.timestamps[train.start]),
        "train_last_us": int(day.bars.timestamps[train.stop - 1]),
        "session_seed": day.session.seed,
    }
    name = save_policy(artifact_store(), PolicyEnsemble(tuple(networks)), manifest)
    return get_or_create_strategy(day.market, MODEL_FAMILY, {}, name)


def _create_version(
    day: Day,
    *,
    stage: str,
    stage_reason: str,
    hyperparameters: JSONDict,
    members: Sequence[Member],
    strategy: Strategy,
    selection_strategy: Strategy,
    train: slice,
    networks: Sequence[PolicyNetwork],
    default_scores: Sequence[float | None] = (),
) -> ModelVersion:
    """Return the stored version; a repeated attempt of the session finds the one it stored before."""
    same = ModelVersion.objects.filter(session=day.session, strategy=strategy).first()
    if same is not None:
        return same
    metrics = day.validation_metrics(positions_of(selection_strategy, day.bars))
    parent = current_best(day.market)
    with day.context.transaction():
        newest = ModelVersion.objects.filter(market=day.market).aggregate(newest=Max("number"))["newest"] or 0
        return ModelVersion.objects.create(
            market=day.market,
            session=day.session,
            number=newest + 1,
            parent=parent,
            strategy=strategy,
            selection_strategy=selection_strategy,
            stage=stage,
            stage_reason=stage_reason,
            algorithm=hyperparameters["algorithm"],
            hyperparameters=hyperparameters,
            seed=day.session.seed,
            dataset=day.dataset,
            train_first_us=int(day.bars.timestamps[train.start]),
            train_last_us=int(day.bars.timestamps[train.stop - 1]),
            artifact=strategy.artifact,
            weights_hash=_weights_hash(networks),
            members=[member.as_dict() for member in members],
            default_scores=list(default_scores),
            validation=metrics.as_dict(),
            validation_sharpe=metrics.sharpe_ratio,
        )


def _weights_hash(networks: Sequence[PolicyNetwork]) -> str:
    return hashlib.sha256("".join(network.weights_hash() for network in networks).encode()).hexdigest()


def _validation_start(day: Day) -> int:
    return int(day.bars.timestamps[day.split.validation.start])


def _halves(span: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    middle = (span[0] + span[1]) / 2
    return (span[0], middle), (middle, span[1])
