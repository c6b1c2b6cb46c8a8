"""A refit is the fit's own training on more bars, ended where the fit was best."""

from pathlib import Path

import pytest

from sessions.members import MemberTask, fit_member, refit_member, up_to
from sessions.rl.search import TrialTask, save_bundle
from sessions.rl.training import train
from tests.sessions.rl.settings_for_tests import BARS_PER_YEAR, FREE, easy_bars, short
from trainingday.policy.observation import compute_features


@pytest.mark.parametrize("algorithm", ["policy_gradient", "dqn"])
def test_a_refit_keeps_the_schedules_of_the_fit(algorithm: str, tmp_path: Path) -> None:
    bars, settings = easy_bars(3), short(algorithm, n_steps=40_960)
    bundle = tmp_path / "bars.npz"
    save_bundle(bundle, bars)
    task = TrialTask(settings.as_dict(), 1, str(bundle), (0, 2000), (2100, 2600), FREE, BARS_PER_YEAR)
    fit = MemberTask(task, str(tmp_path / "fit"))
    assert 0 < fit_member(fit).best_step <= settings.n_steps
    refit = refit_member(up_to(fit, 20_480, str(tmp_path / "refit")))
    known = bars[:2600]
    features = compute_features(known)
    expected = train(
        features, known, settings, 1, costs=FREE, bars_per_year=BARS_PER_YEAR, stop_at=refit.best_step
    )
    assert refit.network is not None
    assert refit.network.weights_hash() == expected.weights_hash
    assert 20_480 <= refit.best_step < settings.n_steps
    shorter = short(algorithm, n_steps=20_480)
    rushed = train(features, known, shorter, 1, costs=FREE, bars_per_year=BARS_PER_YEAR)
    assert rushed.weights_hash != expected.weights_hash
