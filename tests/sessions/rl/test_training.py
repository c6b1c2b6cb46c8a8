"""Every algorithm: it learns, it repeats, it stops when told, and it says when it broke."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sessions.rl import sb3_algorithms
from sessions.rl.errors import TrainingDiverged
from sessions.rl.flat_parameters import FlatAdam
from sessions.rl.hyperparameters import Hyperparameters
from sessions.rl.monitor import N_CHECKPOINTS, TrainingMonitor
from sessions.rl.training import TrainedPolicy, train
from tests.markets import gaussian_bars, planted_bars
from tests.sessions.rl.settings_for_tests import (
    ALGORITHMS,
    BARS_PER_YEAR,
    FREE,
    easy_bars,
    market_of,
    sharpe,
    short,
)
from tests.trainingday.policy.networks import random_network
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, NotEnoughBars, RunCancelled
from trainingday.policy.network import PolicyNetwork
from trainingday.policy.observation import compute_features

each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)
TINY = {"ppo": 16_384, "dqn": 6_144, "a2c": 8_192, "policy_gradient": 40_960}


def _train(bars: Bars, hyperparameters: Hyperparameters, seed: int = 1, **options: object) -> TrainedPolicy:
    features = compute_features(bars, hyperparameters.observation)
    return train(features, bars, hyperparameters, seed, costs=FREE, bars_per_year=BARS_PER_YEAR, **options)


@pytest.mark.parametrize(
    "algorithm",
    ["policy_gradient", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ppo", "dqn", "a2c"))],
)
def test_it_solves_a_market_whose_next_move_repeats_the_last(algorithm: str) -> None:
    faster = {} if algorithm == "dqn" else {"learning_rate": 5e-3, "ent_coef": 0.0}
    trained = _train(easy_bars(1), short(algorithm, **faster))
    fresh = easy_bars(2, 5000)
    best = np.sign(np.diff(np.log(fresh.close), prepend=np.log(fresh.open[0])))
    positions = trained.network.positions(compute_features(fresh))
    moves = np.diff(np.log(fresh.close))
    share = (positions[:-1] * moves).sum() / (best[:-1] * moves).sum()
    assert share > 0.85


@each_algorithm
def test_the_same_seed_gives_the_same_weights(algorithm: str) -> None:
    bars, settings = easy_bars(3), short(algorithm, n_steps=TINY[algorithm])
    hashes = {_train(bars, settings, seed=7).weights_hash for _ in range(2)}
    assert len(hashes) == 1
    assert _train(bars, settings, seed=8).weights_hash not in hashes


@each_algorithm
def test_a_training_leaves_nothing_in_the_temporary_folder(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _train(easy_bars(3), short(algorithm, n_steps=TINY[algorithm]))
    assert list(tmp_path.iterdir()) == []


@each_algorithm
@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_5_of_5(algorithm: str) -> None:
    bars = easy_bars(3)

    def score(network: PolicyNetwork) -> float | None:
        return sharpe(bars, network)

    hashes = [_train(bars, short(algorithm), seed=7, validate=score).weights_hash for _ in range(5)]
    assert len(set(hashes)) == 1


@each_algorithm
def test_a_reward_or_observation_variant_trains(algorithm: str) -> None:
    settings = short(algorithm, n_steps=TINY[algorithm], reward="volatility", observation="returns")
    network = _train(easy_bars(4), settings).network
    assert network.observation == "returns"
    assert network.n_features == 8


@pytest.mark.parametrize("algorithm", ["ppo", "dqn", "a2c"])
def test_plain_arrays_decide_as_sb3_does_step_by_step(algorithm: str) -> None:
    market = market_of(planted_bars("mixture_hourly", 1200, 5))
    model = sb3_algorithms.build(market, short(algorithm, n_steps=TINY[algorithm]), 1)
    model.learn(TINY[algorithm])
    network, held = sb3_algorithms.extract(model, "standard"), 1
    expected = []
    for bar in range(market.n_bars):
        observation = np.concatenate((market.features[bar], np.eye(3, dtype=np.float32)[held]))
        held = int(model.predict(observation, deterministic=True)[0])
        expected.append(held - 1.0)
    np.testing.assert_array_equal(network.positions(market.features), expected)
    assert len(set(expected)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["ppo", "dqn", "a2c"])
def test_no_action_of_100000_bars_differs_from_sb3(algorithm: str) -> None:
    """SB3 decides in batches here, for each held position: its own walk takes half a minute."""
    market = market_of(planted_bars("mixture_hourly", 100_000, 6))
    model = sb3_algorithms.build(market, short(algorithm, n_steps=TINY[algorithm]), 2)
    model.learn(TINY[algorithm])
    table = sb3_algorithms.extract(model, "standard").action_table(market.features)
    for held in range(3):
        one_hot = np.tile(np.eye(3, dtype=np.float32)[held], (market.n_bars, 1))
        actions, _ = model.predict(np.hstack((market.features, one_hot)), deterministic=True)
        assert int((actions != table[:, held]).sum()) == 0


@each_algorithm
def test_the_best_checkpoint_on_validation_is_kept(algorithm: str) -> None:
    bars, settings = easy_bars(5), short(algorithm, n_steps=TINY[algorithm] * 2)
    seen: list[tuple[float, str]] = []

    def falling(network: PolicyNetwork) -> float:
        seen.append((3.0 - len(seen), network.weights_hash()))
        return seen[-1][0]

    trained = _train(bars, settings, validate=falling)
    assert trained.score == 3.0
    assert trained.weights_hash == seen[0][1]
    assert [entry["validation_sharpe"] for entry in trained.curve] == [score for score, _ in seen]
    assert 2 <= len(seen) <= N_CHECKPOINTS + 1
    assert trained.curve[-1]["step"] == trained.n_steps >= settings.n_steps


def test_without_validation_the_last_checkpoint_is_kept() -> None:
    trained = _train(easy_bars(5), short("ppo", n_steps=32_768))
    assert trained.score is None
    assert trained.curve[-1]["validation_sharpe"] is None


def test_a_flat_policy_beats_a_losing_one_and_loses_to_a_winning_one() -> None:
    scores = iter([-1.0, None, -0.5, 0.2])
    monitor = TrainingMonitor(4, validate=lambda _: next(scores))
    networks = [random_network("policy", seed) for seed in range(4)]
    kept = []
    for step in range(4):
        monitor.curve.clear()
        monitor.advance(4, lambda step=step: networks[step], is_last=True)
        kept.append(networks.index(monitor.best))
    assert kept == [0, 1, 1, 3]


@each_algorithm
def test_progress_is_told_and_may_cancel(algorithm: str) -> None:
    told: list[tuple[int, int, float, float | None]] = []

    def cancel_later(step: int, n_steps: int, speed: float, score: float | None) -> None:
        told.append((step, n_steps, speed, score))
        if len(told) == 2:
            raise RunCancelled("stop")

    settings = short(algorithm)
    with pytest.raises(RunCancelled):
        _train(easy_bars(6), settings, on_progress=cancel_later, validate=lambda _: 1.5)
    assert len(told) == 2
    assert 0 < told[0][0] <= told[1][0] < settings.n_steps
    assert told[1][1] == settings.n_steps
    assert told[1][2] > 0


@each_algorithm
def test_exploding_weights_fail_with_their_reason(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clipped gradients grow weights slowly, so the bound is lowered to where a learning rate of 1 leads."""
    monkeypatch.setattr("sessions.rl.monitor.MAX_WEIGHT", 5.0)
    with pytest.raises(TrainingDiverged, match="weights exploded: "):
        _train(gaussian_bars(1000, 7), short(algorithm, learning_rate=1.0))


@each_algorithm
def test_weights_that_are_not_finite_fail_with_their_reason(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gradient step writes NaN into the weights, as an overflow would."""
    own, own_compiled = torch.optim.Optimizer.__init__, FlatAdam.count

    def poisoned(self: torch.optim.Optimizer, params: object, defaults: dict[str, object]) -> None:
        own(self, params, defaults)
        self.register_step_post_hook(_poison)

    def poisoned_compiled(self: FlatAdam, n_steps: int) -> None:
        own_compiled(self, n_steps)
        _poison(self.optimiser)

    def _poison(optimiser: torch.optim.Optimizer, *_: object) -> None:
        with torch.no_grad():
            for group in optimiser.param_groups:
                for parameter in group["params"]:
                    parameter.fill_(float("nan"))

    monkeypatch.setattr(torch.optim.Optimizer, "__init__", poisoned)
    monkeypatch.setattr(FlatAdam, "count", poisoned_compiled)
    with pytest.raises(TrainingDiverged, match="not finite"):
        _train(easy_bars(8), short(algorithm, n_steps=TINY[algorithm]))


def test_a_loss_that_is_not_finite_fails_with_its_reason() -> None:
    with pytest.raises(TrainingDiverged, match="the loss is not finite: nan"):
        TrainingMonitor(10).check_loss(float("nan"))


@each_algorithm
def test_a_reward_that_is_not_finite_fails_before_training(algorithm: str) -> None:
    bars = easy_bars(9, 500)
    close = bars.close.copy()
    close[100] = np.inf
    with pytest.raises(TrainingDiverged, match="a reward is not finite"):
        train(
            np.zeros((500, 13), dtype=np.float32),
            replace(bars, close=close),
            short(algorithm),
            1,
            costs=FREE,
            bars_per_year=BARS_PER_YEAR,
        )


@each_algorithm
def test_a_warm_start_begins_from_the_given_weights(algorithm: str) -> None:
    bars = easy_bars(10)
    first = _train(bars, short(algorithm, n_steps=TINY[algorithm])).network
    frozen = short(algorithm, n_steps=TINY[algorithm], learning_rate=1e-7)
    second = _train(bars, frozen, seed=2, start=first).network
    for before, after in zip(first.weights, second.weights, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-3)


def test_a_warm_start_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="a warm start should be"):
        _train(easy_bars(1, 400), short("ppo"), start=random_network("policy", 1, net_arch=(16,)))
    with pytest.raises(InvalidArgument, match="a warm start should be"):
        _train(easy_bars(1, 400), short("ppo"), start=random_network("q", 1))


@each_algorithm
def test_a_market_shorter_than_an_episode_still_trains(algorithm: str) -> None:
    assert _train(easy_bars(11, 90), short(algorithm, n_steps=TINY[algorithm])).network.is_finite


def test_a_bad_seed_or_too_few_bars_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="seed should be"):
        _train(easy_bars(1, 400), short("ppo"), seed=-1)
    with pytest.raises(NotEnoughBars):
        _train(easy_bars(1, 400)[:2], short("ppo"))
