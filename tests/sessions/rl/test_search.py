"""Trials: pure functions of their task, pruned or failed with a reason."""

import json
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from sessions.rl.errors import TrainingDiverged
from sessions.rl.monitor import N_CHECKPOINTS
from sessions.rl.presets import PRESETS, get_preset
from sessions.rl.search import TrialState, TrialTask, evaluate_trial, train_member
from tests.sessions.rl.settings_for_tests import BARS_PER_YEAR, FREE, easy_bars, gappy_bars
from trainingday.backtest.engine import run_backtest
from trainingday.compute.bundles import load_bundle, save_bundle
from trainingday.exceptions import InvalidArgument, NotEnoughBars, NotFound
from trainingday.policy.observation import compute_features


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TrialTask:
    path = tmp_path_factory.mktemp("bundle") / "bars.npz"
    save_bundle(path, easy_bars(1, 2000))
    return TrialTask(
        hyperparameters={"algorithm": "policy_gradient", "learning_rate": 5e-3},
        seed=5,
        dataset=str(path),
        train=(0, 1400),
        validation=(1410, 2000),
        costs=FREE,
        bars_per_year=BARS_PER_YEAR,
        n_steps=163_840,
    )


def test_a_complete_trial_reports_its_best_checkpoint(task: TrialTask) -> None:
    result = evaluate_trial(task)
    assert result.state is TrialState.COMPLETE
    assert result.reason == ""
    assert result.score == max(score or 0.0 for score in result.intermediate)
    assert result.score > 5
    assert len(result.intermediate) >= N_CHECKPOINTS
    assert result.n_steps >= 163_840
    assert result.seconds > 0


def test_the_same_task_gives_the_same_result(task: TrialTask) -> None:
    one, other = evaluate_trial(task), evaluate_trial(pickle.loads(pickle.dumps(task)))
    assert (one.score, one.intermediate, one.weights_hash) == (
        other.score,
        other.intermediate,
        other.weights_hash,
    )
    member = train_member(task)
    assert (member.score, member.weights_hash) == (one.score, one.weights_hash)


def test_a_trial_keeps_the_block_sums_of_its_best_checkpoint(task: TrialTask) -> None:
    bars, network = load_bundle(task.dataset), train_member(task).network
    held_out = slice(*task.validation)
    positions = network.positions(compute_features(bars)[held_out])
    returns = run_backtest(bars[held_out], positions, FREE, bars_per_year=BARS_PER_YEAR).returns
    blocks = evaluate_trial(task).blocks
    parts = np.split(returns[returns.size % 16 :], 16)
    expected = [(part.size, part.sum(), (part**2).sum()) for part in parts]
    np.testing.assert_allclose(blocks, expected, rtol=1e-12, atol=1e-15)
    assert json.loads(json.dumps(blocks)) == [list(block) for block in blocks]


@pytest.mark.slow
def test_another_process_gives_the_same_result(task: TrialTask) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        other = pool.submit(evaluate_trial, task).result()
    assert other.weights_hash == evaluate_trial(task).weights_hash


def test_bars_after_the_segments_change_nothing(task: TrialTask, tmp_path: Path) -> None:
    bars, shorter = load_bundle(task.dataset), tmp_path / "shorter.npz"
    save_bundle(shorter, bars[:1800])
    within = replace(task, validation=(1410, 1800))
    assert (
        evaluate_trial(within).weights_hash
        == evaluate_trial(replace(within, dataset=str(shorter))).weights_hash
    )


def test_a_trial_below_the_median_is_pruned_with_its_reason(task: TrialTask) -> None:
    result = evaluate_trial(replace(task, prune_below=(1e6,) * N_CHECKPOINTS))
    assert result.state is TrialState.PRUNED
    assert "at checkpoint 3 is below the median 1000000.00" in result.reason
    assert len(result.intermediate) == 3
    assert result.score == max(score or 0.0 for score in result.intermediate)
    assert result.weights_hash is None
    assert len(result.blocks) == 16


def test_a_trial_above_the_median_goes_on(task: TrialTask) -> None:
    result = evaluate_trial(replace(task, prune_below=(-1e6,) * N_CHECKPOINTS))
    assert result.state is TrialState.COMPLETE


def test_a_diverging_trial_fails_with_its_reason(task: TrialTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.rl.monitor.MAX_WEIGHT", 1e-3)
    result = evaluate_trial(task)
    assert result.state is TrialState.FAILED
    assert result.reason.startswith("weights exploded")
    assert result.score is None
    assert result.blocks == ()
    with pytest.raises(TrainingDiverged):
        train_member(task)


def test_a_wrong_task_is_the_callers_error(task: TrialTask) -> None:
    with pytest.raises(InvalidArgument, match=r"validation should be within 0\.\.2000"):
        evaluate_trial(replace(task, validation=(1410, 2001)))
    with pytest.raises(InvalidArgument, match="validation should begin after train ends"):
        evaluate_trial(replace(task, validation=(1399, 2000)))
    with pytest.raises(NotEnoughBars, match="train should hold >= 300 bars, holds 200"):
        evaluate_trial(replace(task, train=(0, 200)))
    with pytest.raises(InvalidArgument, match="algorithm should be one of"):
        evaluate_trial(replace(task, hyperparameters={"algorithm": "sarsa"}))


def test_a_bundle_round_trips(tmp_path: Path) -> None:
    bars = gappy_bars(3, 50)
    save_bundle(tmp_path / "b.npz", bars)
    again = load_bundle(str(tmp_path / "b.npz"))
    for name in ("timestamps", "open", "high", "low", "close", "volume", "gap_before"):
        np.testing.assert_array_equal(getattr(again, name), getattr(bars, name))


def test_presets_are_found_by_name() -> None:
    for name, preset in PRESETS.items():
        assert get_preset(name) is preset
        assert preset.name == name
        assert 1 <= preset.ensemble_size <= preset.n_final_seeds
    assert get_preset("quick").n_trials == 20
    with pytest.raises(NotFound, match="quick, standard, hour"):
        get_preset("week")
