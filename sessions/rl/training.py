"""One training: from features and bars to a policy of plain arrays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from sessions.rl import policy_gradient, sb3_algorithms
from sessions.rl.environment import MarketData
from sessions.rl.errors import TrainingDiverged
from sessions.rl.hyperparameters import Hyperparameters, default_hyperparameters
from sessions.rl.monitor import Progress, TrainingMonitor, Validate
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.policy.network import PolicyKind, PolicyNetwork
from trainingday.typing import Float32Array, JSONDict

if TYPE_CHECKING:
    from trainingday.backtest.engine import Costs

__all__ = ["Hyperparameters", "TrainedPolicy", "TrainingDiverged", "default_hyperparameters", "train"]

_KINDS = {"dqn": PolicyKind.Q, "policy_gradient": PolicyKind.TABLE}


@dataclass(frozen=True, eq=False)
class TrainedPolicy:
    """What a training gave.

    Attributes
    ----------
    network : PolicyNetwork
        The best checkpoint on validation, or the last where there was no validation.
    score : float or None
        Its validation score; None where there was none, or the ratio is undefined.
    curve : list of {step, steps_per_second, train_sharpe?, validation_sharpe}
    weights_hash : str
    seconds : float
        Wall time.
    n_steps : int
        Bars learned from.
    """

    network: PolicyNetwork
    score: float | None
    curve: list[JSONDict]
    weights_hash: str
    seconds: float
    n_steps: int


def train(
    features: Float32Array,
    bars: Bars,
    hyperparameters: Hyperparameters,
    seed: int,
    *,
    costs: Costs,
    bars_per_year: float,
    on_progress: Progress | None = None,
    validate: Validate | None = None,
    train_score: Callable[[PolicyNetwork], float | None] | None = None,
    start: PolicyNetwork | None = None,
) -> TrainedPolicy:
    """Return the policy that the hyperparameters and the seed give on the train segment.

    Parameters
    ----------
    features : ndarray of shape (n_bars, n_features), float32
        Of the train segment's bars, by `compute_features(..., hyperparameters.observation)`.
    bars : Bars of shape (n_bars,)
    hyperparameters : Hyperparameters
    seed : int, 0 <= seed < 2**32
        The same seed, versions and CPU give the same weights.
    costs : Costs
    bars_per_year : float
    on_progress : callable of (step, n_steps, steps per second, validation score), optional
        May raise to cancel.
    validate, train_score : callable, PolicyNetwork -> float or None, optional
        With `validate` the best checkpoint is kept.
    start : PolicyNetwork, optional
        Warm start: continue from these weights; its shape should be the hyperparameters'.

    Raises
    ------
    InvalidArgument, NotEnoughBars
        If the features do not fit the bars, or the warm start does not fit.
    TrainingDiverged
        If a loss, a reward or a weight is not finite, or weights exploded.
    """
    if not 0 <= seed < 2**32:
        raise InvalidArgument(f"seed should be 0..2**32-1, is {seed}")
    torch.set_num_threads(1)  # two threads on small nets are slower, and change the result
    began = time.perf_counter()
    market = MarketData.create(
        features,
        bars,
        costs,
        bars_per_year=bars_per_year,
        risk_factor=hyperparameters.risk_factor,
        reward=hyperparameters.reward,
    )
    _check_start(start, hyperparameters, features.shape[1])
    monitor = TrainingMonitor(
        hyperparameters.n_steps,
        validate=validate,
        train_score=train_score,
        on_progress=on_progress,
        start=start,
    )
    is_exact = hyperparameters.algorithm == "policy_gradient"
    (policy_gradient if is_exact else sb3_algorithms).learn(market, hyperparameters, seed, monitor)
    if monitor.best is None:
        raise TrainingDiverged("training ended without a checkpoint")
    return TrainedPolicy(
        network=monitor.best,
        score=monitor.best_score,
        curve=monitor.curve,
        weights_hash=monitor.best.weights_hash(),
        seconds=time.perf_counter() - began,
        n_steps=int(monitor.curve[-1]["step"]),
    )


def _check_start(start: PolicyNetwork | None, hyperparameters: Hyperparameters, n_features: int) -> None:
    if start is None:
        return
    kind = _KINDS.get(hyperparameters.algorithm, PolicyKind.POLICY)
    if (start.kind, start.net_arch, start.n_features) != (kind, hyperparameters.net_arch, n_features):
        raise InvalidArgument(
            f"a warm start should be {kind.value} {hyperparameters.net_arch} of {n_features} features, is "
            f"{start.kind.value} {start.net_arch} of {start.n_features}"
        )
