"""Final trainings: what a seed's refit is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessions.members import Member, MemberTask, fit_member, refit_member, refit_task
from sessions.rl.hyperparameters import default_hyperparameters
from sessions.rl.search import TrialTask
from tests.markets import autoregressive_bars
from trainingday.backtest.engine import Costs
from trainingday.compute.bundles import save_bundle


def member_task(folder: Path, algorithm: str, n_steps: int) -> MemberTask:
    bundle = folder / "bars.npz"
    save_bundle(bundle, autoregressive_bars(3000, seed=1, phi=0.3))
    settings = default_hyperparameters(algorithm).as_dict() | {"episode_length": 64}
    task = TrialTask(
        settings, 5, str(bundle), (0, 2000), (2200, 3000), Costs(0.0005, 0.0), 8766.0, n_steps=n_steps
    )
    return MemberTask(task, str(folder / "progress"))


@pytest.mark.parametrize(
    ("algorithm", "n_steps"), [("policy_gradient", 20_000), ("ppo", 7_000), ("dqn", 7_000)]
)
def test_only_the_exact_gradient_is_refitted_for_all_its_steps(
    tmp_path: Path, algorithm: str, n_steps: int
) -> None:
    task = member_task(tmp_path, algorithm, 20_000)
    refit = refit_task(task, Member(5, None, 0.5, 7_000, (), 1.0))
    assert refit.task.n_steps == n_steps
    assert refit.task.seed == task.task.seed and refit.progress_file != task.progress_file


@pytest.mark.slow
def test_a_refit_learns_from_validation_too_and_nothing_selects_it(tmp_path: Path) -> None:
    task = member_task(tmp_path, "policy_gradient", 60_000)
    fitted = fit_member(task)
    refit = refit_member(refit_task(task, fitted))
    assert refit.network is not None and fitted.network is not None
    assert refit.score is None and refit.curve == () and refit.best_step >= 60_000
    assert refit.network.weights_hash() != fitted.network.weights_hash()
