"""Models of a session: the baseline to beat, and the candidate trained with the chosen settings."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Max

from sessions.day import Day
from sessions.final_training import (
    BASELINE_ALGORITHM,
    FIRST_FINAL_INDEX,
    Fit,
    Span,
    fit_baseline,
    fit_candidate,
)
from sessions.models import ModelVersion, Trial
from sessions.settings_choice import DEFAULTS
from sessions.warm_start import WARM
from strategies.models import Champion, Strategy
from strategies.positions import MODEL_FAMILY, get_or_create_strategy, positions_of
from strategies.store import artifact_store
from strategies.traded_model import save_model
from trainingday.compute.executor import TaskExecutor
from trainingday.policy.ensemble import PolicyEnsemble

__all__ = ["FIRST_FINAL_INDEX", "Baseline", "honest_strategy", "prepare_baseline", "train_candidate"]


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


def prepare_baseline(day: Day, executor: TaskExecutor, span: Span) -> Baseline:
    """Return the champion, or the market's baseline model, scored anew on this session's validation bars."""
    champion = day.found.query_champion()
    model = day.found.query_model() or own_baseline(day)
    if model is None:
        fit = fit_baseline(day, executor, span)
        model = _save_baseline(day, fit)
    strategy = beaten_strategy(day, champion, model)
    return Baseline(champion, strategy, model, validation_sharpe(day, strategy))


def own_baseline(day: Day) -> ModelVersion | None:
    """Return the baseline that this session has trained, None where it found one or has not yet."""
    return ModelVersion.objects.filter(session=day.session, stage=ModelVersion.Stage.BASELINE).first()


def beaten_strategy(day: Day, champion: Champion | None, model: ModelVersion) -> Strategy:
    """Return what the session has to beat on validation: never a fit that has seen these bars, if there is another."""
    if champion is None or champion.strategy_id == model.strategy_id:
        return honest_strategy(model, day)
    return champion.strategy


def validation_sharpe(day: Day, strategy: Strategy) -> float | None:
    return day.validation_metrics(positions_of(strategy, day.seen)).sharpe_ratio


def honest_strategy(model: ModelVersion, day: Day) -> Strategy:
    """Return the fit of a model that has not been trained on this session's validation bars."""
    return model.strategy if model.train_last_us < day.validation_start_us else model.selection_strategy


def train_candidate(day: Day, executor: TaskExecutor, best: Trial, span: Span) -> ModelVersion:
    """Return the candidate: several seeds of the settings that were chosen, the best of them trading their mean.

    It is scored on validation as fitted on train alone, and then fitted again on all bars before the
    test gap: that last artefact is what is examined and, if it passes, deployed.
    """
    return _save_candidate(day, fit_candidate(day, executor, best.hyperparameters, span))


def _save_baseline(day: Day, fit: Fit) -> ModelVersion:
    strategy = _store(day, fit, fit.selection, day.split.train)
    reason = (
        f"{BASELINE_ALGORITHM.upper()} with default settings: the model to beat until there is a champion"
    )
    return _create_version(
        day,
        fit,
        stage=ModelVersion.Stage.BASELINE,
        stage_reason=reason,
        strategy=strategy,
        selection_strategy=strategy,
        train=day.split.train,
    )


def _save_candidate(day: Day, fit: Fit) -> ModelVersion:
    everything = slice(0, day.split.validation.stop)
    n_trials = day.session.trials.count()
    reason = f"best of {n_trials} trials on validation"
    if fit.settings["chosen"] == DEFAULTS:
        reason = f"default settings, which the best of {n_trials} trials did not beat beyond chance"
    if fit.warm_start.get("won") == WARM:
        reason = f"version {fit.warm_start['parent']} trained on with newer bars, better than from scratch"
    return _create_version(
        day,
        fit,
        stage=ModelVersion.Stage.CANDIDATE,
        stage_reason=reason,
        strategy=_store(day, fit, fit.deployed, everything),
        selection_strategy=_store(day, fit, fit.selection, day.split.train),
        train=everything,
    )


def _store(day: Day, fit: Fit, policy: PolicyEnsemble, train: slice) -> Strategy:
    """Save the artefact, durable before any row names it, and return its strategy."""
    manifest = {
        "algorithm": fit.hyperparameters["algorithm"],
        "dataset_sha256": day.dataset.sha256,
        "train_first_us": int(day.bars.timestamps[train.start]),
        "train_last_us": int(day.bars.timestamps[train.stop - 1]),
        "session_seed": day.session.seed,
    }
    name = save_model(artifact_store(), policy, fit.overlays, manifest)
    return get_or_create_strategy(day.market, MODEL_FAMILY, {}, name)


def _create_version(
    day: Day,
    fit: Fit,
    *,
    stage: str,
    stage_reason: str,
    strategy: Strategy,
    selection_strategy: Strategy,
    train: slice,
) -> ModelVersion:
    """Return the stored version; a repeated attempt of the session finds the one it stored before."""
    same = ModelVersion.objects.filter(session=day.session, strategy=strategy).first()
    if same is not None:
        return same
    metrics = day.validation_metrics(positions_of(selection_strategy, day.seen))
    is_continued = fit.warm_start.get("won") == WARM
    with day.context.transaction():
        newest = ModelVersion.objects.filter(market=day.market).aggregate(newest=Max("number"))["newest"] or 0
        return ModelVersion.objects.create(
            market=day.market,
            session=day.session,
            number=newest + 1,
            parent=day.found.query_model() if is_continued else None,
            strategy=strategy,
            selection_strategy=selection_strategy,
            stage=stage,
            stage_reason=stage_reason,
            algorithm=fit.hyperparameters["algorithm"],
            hyperparameters=fit.hyperparameters,
            seed=day.session.seed,
            dataset=day.dataset,
            train_first_us=int(day.bars.timestamps[train.start]),
            train_last_us=int(day.bars.timestamps[train.stop - 1]),
            artifact=strategy.artifact,
            weights_hash=fit.deployed.weights_hash(),
            members=[member.as_dict() for member in fit.members],
            default_scores=list(fit.default_scores),
            settings_choice=fit.settings,
            overlay=fit.overlay,
            warm_start=fit.warm_start,
            validation=metrics.as_dict(),
            validation_sharpe=metrics.sharpe_ratio,
        )
