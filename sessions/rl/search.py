"""Hyperparameter search: trials as pure functions, suggestions rebuilt from committed records."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sessions.rl.errors import TrainingDiverged, TrialPruned
from sessions.rl.hyperparameters import Hyperparameters
from sessions.rl.monitor import N_CHECKPOINTS, Progress, rank_value
from sessions.rl.suggestions import (
    SearchSpace,
    TrialRecord,
    TrialState,
    pruning_thresholds,
    suggest_batch,
    trial_seed,
)
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.compute.bundles import kept_bundle
from trainingday.exceptions import InvalidArgument, NotEnoughBars
from trainingday.policy.network import PolicyNetwork
from trainingday.policy.observation import compute_features
from trainingday.stats.selection import block_moments
from trainingday.typing import Float32Array, FloatArray, JSONDict

if TYPE_CHECKING:
    from sessions.rl.training import TrainedPolicy

__all__ = [
    "SearchSpace",
    "TrialRecord",
    "TrialResult",
    "TrialState",
    "TrialTask",
    "evaluate_trial",
    "pruning_thresholds",
    "suggest_batch",
    "train_member",
    "trial_seed",
]

WARM_UP_CHECKPOINTS = 2  # no trial is pruned before its third checkpoint
MIN_TRAIN_BARS = 300
Block = tuple[int, float, float]


@dataclass(frozen=True)
class TrialTask:
    """All that one trial depends on; equal tasks give equal results, in any process.

    Attributes
    ----------
    hyperparameters : dict
        See `Hyperparameters.from_dict`.
    seed : int
    dataset : str
        Path of a `save_bundle` file.
    train, validation : (start, stop) bars, half open
        Features may look back across a segment's start, never beyond its bars' own time.
    costs : Costs
    bars_per_year : float
    n_steps : int or None
        Overrides the hyperparameters' own.
    prune_below : tuple of float
        Best score so far that each checkpoint should reach, see `pruning_thresholds`; empty: no pruning.
    start : PolicyNetwork or None
        Warm start: the weights to go on from.
    """

    hyperparameters: Mapping[str, Any]
    seed: int
    dataset: str
    train: tuple[int, int]
    validation: tuple[int, int]
    costs: Costs
    bars_per_year: float
    n_steps: int | None = None
    prune_below: tuple[float, ...] = ()
    start: PolicyNetwork | None = None

    def at(self, bundle: str, scratch: Path) -> TrialTask:
        """Return the same task for a machine that has its bars in another file."""
        return replace(self, dataset=bundle)


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended.

    Attributes
    ----------
    score : float or None
        Best annualised Sharpe ratio of its checkpoints on validation; None where it is undefined, as of a
        policy that stays flat, and for a trial that failed.
    state : TrialState
    reason : str
        One sentence when pruned or failed, else empty.
    intermediate : tuple of float or None
        Validation Sharpe ratio at each checkpoint.
    blocks : tuple of (n_bars, sum, sum of squares)
        Of the best checkpoint's net returns on validation in 16 time blocks, oldest first, so that
        overfitting can be measured over the whole search; empty for a trial that failed.
    """

    score: float | None
    state: TrialState
    reason: str
    intermediate: tuple[float | None, ...]
    seconds: float
    n_steps: int
    weights_hash: str | None
    curve: tuple[JSONDict, ...] = field(default=())
    blocks: tuple[Block, ...] = ()


@dataclass
class _Checkpoints:
    """What the checkpoints of one training have shown on validation so far."""

    scores: list[float | None] = field(default_factory=list)
    best: float = -np.inf
    blocks: tuple[Block, ...] = ()

    def add(self, score: float | None, returns: FloatArray) -> None:
        self.scores.append(score)
        # Later wins a tie, as in TrainingMonitor: the blocks are those of the checkpoint that is kept.
        if rank_value(score) >= self.best:
            self.best, self.blocks = rank_value(score), _blocks(returns)


def _blocks(returns: FloatArray) -> tuple[Block, ...]:
    moments = block_moments(returns[:, None])
    if moments is None:
        return ()
    pairs = zip(moments.sums[:, 0], moments.squares[:, 0], strict=True)
    return tuple((moments.n_bars, float(total), float(square)) for total, square in pairs)


@lru_cache(maxsize=4)
def _observed(path: str, modified: int, observation: str) -> Float32Array:
    return compute_features(kept_bundle(path), observation)


def evaluate_trial(task: TrialTask, on_progress: Progress | None = None) -> TrialResult:
    """Return how the task's hyperparameters score on validation; divergence fails it, with its reason.

    Raises
    ------
    InvalidArgument, NotEnoughBars
        If the task itself is wrong: that is the caller's fault, not the trial's.
    """
    began = time.perf_counter()
    seen = _Checkpoints()
    try:
        trained = _train(task, seen, on_progress)
    except TrialPruned as pruned:
        state, reason = TrialState.PRUNED, str(pruned)
    except TrainingDiverged as error:
        state, reason = TrialState.FAILED, str(error)
    else:
        return TrialResult(
            score=trained.score,
            state=TrialState.COMPLETE,
            reason="",
            intermediate=tuple(seen.scores),
            seconds=time.perf_counter() - began,
            n_steps=trained.n_steps,
            weights_hash=trained.weights_hash,
            curve=tuple(trained.curve),
            blocks=seen.blocks,
        )
    is_pruned, scores = state is TrialState.PRUNED, tuple(seen.scores)
    return TrialResult(
        score=max(scores, key=rank_value) if scores and is_pruned else None,
        state=state,
        reason=reason,
        intermediate=scores,
        seconds=time.perf_counter() - began,
        n_steps=_hyperparameters(task).n_steps * len(scores) // N_CHECKPOINTS,
        weights_hash=None,
        blocks=seen.blocks if is_pruned else (),
    )


def train_member(task: TrialTask, on_progress: Progress | None = None) -> TrainedPolicy:
    """Return the trained policy of a task, for the final seeds; raises TrainingDiverged."""
    return _train(task, _Checkpoints(), on_progress)


def _hyperparameters(task: TrialTask) -> Hyperparameters:
    own = {} if task.n_steps is None else {"n_steps": task.n_steps}
    return Hyperparameters.from_dict({**task.hyperparameters, **own})


def _train(task: TrialTask, seen: _Checkpoints, on_progress: Progress | None) -> TrainedPolicy:
    from sessions.rl.training import train  # torch: loaded only where training happens

    hyperparameters = _hyperparameters(task)
    modified = Path(task.dataset).stat().st_mtime_ns
    bars = kept_bundle(task.dataset)
    features = _observed(task.dataset, modified, hyperparameters.observation)
    _check_segments(task, len(bars))
    window, held_out = slice(*task.train), slice(*task.validation)
    validation_bars, validation_features = bars[held_out], features[held_out]

    def validate(network: PolicyNetwork) -> float | None:
        positions = network.positions(validation_features)
        result = run_backtest(validation_bars, positions, task.costs, bars_per_year=task.bars_per_year)
        score = result.metrics.sharpe_ratio
        checkpoint = len(seen.scores)
        seen.add(score, result.returns)
        needed = task.prune_below[checkpoint] if checkpoint < len(task.prune_below) else -np.inf
        if checkpoint >= WARM_UP_CHECKPOINTS and seen.best < needed:
            raise TrialPruned(
                f"best Sharpe ratio {seen.best:.2f} at checkpoint {checkpoint + 1} is below the median "
                f"{needed:.2f}"
            )
        return score

    return train(
        features[window],
        bars[window],
        hyperparameters,
        task.seed,
        costs=task.costs,
        bars_per_year=task.bars_per_year,
        validate=validate,
        on_progress=on_progress,
        start=task.start,
    )


def _check_segments(task: TrialTask, n_bars: int) -> None:
    for name, (start, stop) in (("train", task.train), ("validation", task.validation)):
        if not 0 <= start < stop <= n_bars:
            raise InvalidArgument(f"{name} should be within 0..{n_bars}, is {start}..{stop}")
    if task.train[1] > task.validation[0]:
        raise InvalidArgument(
            f"validation should begin after train ends at {task.train[1]}, begins at {task.validation[0]}"
        )
    if task.train[1] - task.train[0] < MIN_TRAIN_BARS:
        raise NotEnoughBars(
            f"train should hold >= {MIN_TRAIN_BARS} bars, holds {task.train[1] - task.train[0]}"
        )
