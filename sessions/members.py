"""Final trainings as pure functions for the executor: fit on train, then refit up to the test gap."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sessions.rl.errors import TrainingDiverged
from sessions.rl.hyperparameters import Hyperparameters
from sessions.rl.search import TrialTask, train_member
from trainingday.compute.bundles import load_bundle
from trainingday.policy.network import PolicyNetwork
from trainingday.policy.observation import compute_features
from trainingday.typing import JSONDict


@dataclass(frozen=True)
class MemberTask:
    """One seed's training; it writes where it stands to `progress_file` for the live page."""

    task: TrialTask
    progress_file: str

    def at(self, bundle: str, scratch: Path) -> MemberTask:
        """Return the same task for another machine; progress is seen where both share the folder."""
        file = Path(self.progress_file)
        here = file if file.parent.is_dir() else scratch / file.name
        return MemberTask(self.task.at(bundle, scratch), str(here))


@dataclass(frozen=True, eq=False)
class Member:
    """One trained seed.

    Attributes
    ----------
    network : PolicyNetwork or None
        None where the training diverged; `reason` says how.
    score : float or None
        Validation Sharpe ratio of the kept checkpoint.
    best_step : int
        Steps at the kept checkpoint.
    """

    seed: int
    network: PolicyNetwork | None
    score: float | None
    best_step: int
    curve: tuple[JSONDict, ...]
    seconds: float
    reason: str = ""

    def as_dict(self) -> JSONDict:
        return {
            "seed": self.seed,
            "validation_sharpe": self.score,
            "best_step": self.best_step,
            "weights_hash": self.network.weights_hash() if self.network else None,
            "seconds": round(self.seconds, 2),
            "reason": self.reason,
            "curve": list(self.curve),
        }


def fit_member(member: MemberTask) -> Member:
    """Return a seed trained on train, at its best checkpoint on validation."""
    try:
        trained = train_member(member.task, on_progress=_writer(member.progress_file))
    except TrainingDiverged as error:
        return Member(member.task.seed, None, None, 0, (), 0.0, str(error))
    steps = [point["step"] for point in trained.curve if point["validation_sharpe"] == trained.score]
    best_step = int(steps[-1] if steps else trained.n_steps)
    return Member(
        member.task.seed, trained.network, trained.score, best_step, tuple(trained.curve), trained.seconds
    )


def refit_member(member: MemberTask) -> Member:
    """Return the seed trained on all bars before the test gap, for exactly the task's steps; nothing selects it."""
    from sessions.rl.training import train  # torch: loaded only where training happens

    task = member.task
    hyperparameters = Hyperparameters.from_dict({**task.hyperparameters, "n_steps": task.n_steps})
    bars = load_bundle(task.dataset)[: task.validation[1]]
    try:
        trained = train(
            compute_features(bars, hyperparameters.observation),
            bars,
            hyperparameters,
            task.seed,
            costs=task.costs,
            bars_per_year=task.bars_per_year,
            on_progress=_writer(member.progress_file),
            start=task.start,
        )
    except TrainingDiverged as error:
        return Member(task.seed, None, None, 0, (), 0.0, str(error))
    return Member(task.seed, trained.network, None, trained.n_steps, (), trained.seconds)


def refit_task(member: MemberTask, fitted: Member) -> MemberTask:
    """Return the task of a seed's refit, for which no validation is left to pick a checkpoint on.

    The exact policy gradient runs its whole course: its learning rate decays to 0, so it ends settled, and the
    step that was best in the fit moves by chance. The others keep theirs to the end and may lose at it what they
    had: they stop at the step that was best in the fit. Both as measured, docs/LEARNING.md.
    """
    task = member.task
    is_settled = task.hyperparameters["algorithm"] == "policy_gradient"
    n_steps = task.n_steps if is_settled else fitted.best_step
    return MemberTask(replace(task, n_steps=n_steps), f"{member.progress_file}-refit")


def read_progress(member: MemberTask) -> JSONDict | None:
    """Return where a member stands, or None before its first report."""
    try:
        progress: JSONDict = json.loads(Path(member.progress_file).read_text())
    except (OSError, ValueError):
        return None
    return progress


def _writer(path: str) -> Callable[[int, int, float, float | None], None]:
    def write(step: int, n_steps: int, steps_per_second: float, score: float | None) -> None:
        report = {
            "step": step,
            "n_steps": n_steps,
            "steps_per_second": steps_per_second,
            "validation_sharpe": score,
        }
        temporary = Path(f"{path}.new")
        temporary.write_text(json.dumps(report))
        temporary.replace(path)

    return write
