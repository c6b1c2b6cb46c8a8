"""Watches a training: checkpoints, the best on validation, progress, and signs of divergence."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from sessions.rl.errors import TrainingDiverged
from trainingday.policy.network import PolicyNetwork
from trainingday.typing import JSONDict

N_CHECKPOINTS = 10
MAX_WEIGHT = 1e3
PROGRESS_SECONDS = 0.25

Validate = Callable[[PolicyNetwork], float | None]
Progress = Callable[[int, int, float, float | None], None]


def rank_value(score: float | None) -> float:
    """Return a score for ranking: an undefined ratio ranks as 0, for a policy that stays flat earns 0."""
    return 0.0 if score is None else score


class TrainingMonitor:
    """Called by every algorithm with the bars learned from so far.

    Parameters
    ----------
    n_steps : int
    validate, train_score : callable, PolicyNetwork -> float or None
        Scores of a checkpoint; without `validate` the last checkpoint is kept, else the best.
    on_progress : callable of (step, n_steps, steps per second, last validation score)
        May raise to stop the training; called at most each quarter of a second, and at each checkpoint.
    start : PolicyNetwork or None
        What a warm start begins from.
    """

    def __init__(
        self,
        n_steps: int,
        *,
        validate: Validate | None = None,
        train_score: Validate | None = None,
        on_progress: Progress | None = None,
        start: PolicyNetwork | None = None,
    ) -> None:
        self.n_steps, self.start = n_steps, start
        self.curve: list[JSONDict] = []
        self.best: PolicyNetwork | None = None
        self.best_score: float | None = None
        self._validate, self._train_score, self._on_progress = validate, train_score, on_progress
        self._began = self._told = time.perf_counter()
        self._last_score: float | None = None

    def advance(self, step: int, network: Callable[[], PolicyNetwork], *, is_last: bool = False) -> None:
        """Record that `step` bars are done; take a checkpoint when one is due."""
        due = math.ceil(self.n_steps * (len(self.curve) + 1) / N_CHECKPOINTS)
        is_due = len(self.curve) < N_CHECKPOINTS and step >= due
        if is_due or is_last:
            self._checkpoint(step, network())
        self._tell(step, force=is_due or is_last)

    def check_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingDiverged(f"the loss is not finite: {loss}")

    def check_weights(self, network: PolicyNetwork) -> None:
        for name, array in network.arrays().items():
            largest = float(abs(array).max())
            if not math.isfinite(largest):
                raise TrainingDiverged(f"{name} is not finite")
            if largest > MAX_WEIGHT:
                raise TrainingDiverged(f"weights exploded: {name} holds {largest:.3g}, over {MAX_WEIGHT:g}")

    def steps_per_second(self, step: int) -> float:
        return step / max(time.perf_counter() - self._began, 1e-9)

    def _checkpoint(self, step: int, network: PolicyNetwork) -> None:
        self.check_weights(network)
        score = self._validate(network) if self._validate else None
        # Later wins a tie: of two that stay flat, the one that has learned to.
        if self.best is None or self._validate is None or rank_value(score) >= rank_value(self.best_score):
            self.best, self.best_score = network, score
        self._last_score = score
        entry: JSONDict = {"step": step, "steps_per_second": self.steps_per_second(step)}
        if self._train_score is not None:
            entry["train_sharpe"] = self._train_score(network)
        entry["validation_sharpe"] = score
        self.curve.append(entry)

    def _tell(self, step: int, *, force: bool) -> None:
        now = time.perf_counter()
        if self._on_progress is None or not (force or now - self._told >= PROGRESS_SECONDS):
            return
        self._told = now
        done = min(step, self.n_steps)
        self._on_progress(done, self.n_steps, self.steps_per_second(step), self._last_score)
