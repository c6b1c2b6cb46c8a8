"""The compiled DQN computes what SB3's own does, and leaves to SB3 what it does not cover."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from stable_baselines3 import DQN
from torch import nn

from sessions.rl.dqn import CompiledDQN
from sessions.rl.environment import TradingVecEnv
from tests.markets import planted_bars
from tests.sessions.rl.settings_for_tests import market_of

MARKET = market_of(planted_bars("mixture_hourly", 2000, 5))
ARCH = {"net_arch": [32, 32], "activation_fn": nn.Tanh}
SETTINGS = {"learning_rate": 5e-4, "gamma": 0.9, "batch_size": 300, "buffer_size": 4800}
N_ENVS = 48


def _model(kind: type[DQN], policy: dict[str, object] | None = None, **changes: object) -> DQN:
    env = TradingVecEnv(MARKET, N_ENVS, seed=3, episode_length=50)
    settings = {**SETTINGS, "learning_starts": 960, "target_update_interval": 960, **changes}
    return kind("MlpPolicy", env, policy_kwargs=policy or ARCH, seed=4, device="cpu", **settings)


def _weights(model: DQN) -> np.ndarray:
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.policy.parameters()]).numpy()


def _copied(source: DQN, **changes: object) -> DQN:
    """Return SB3's DQN with the weights, Adam's state and the replay buffer of another."""
    model = _model(DQN, **changes)
    model._setup_learn(100_000)
    model.policy.load_state_dict(source.policy.state_dict())
    model.policy.optimizer.load_state_dict(deepcopy(source.policy.optimizer.state_dict()))
    model.replay_buffer = deepcopy(source.replay_buffer)
    return model


@pytest.mark.parametrize(
    "changes",
    [{}, {"max_grad_norm": 0.01}, {"policy": {"net_arch": [7], "activation_fn": nn.Tanh}, "batch_size": 64}],
    ids=["defaults", "much clipping", "odd width"],
)
def test_twenty_gradient_steps_equal_those_of_sb3(changes: dict[str, object]) -> None:
    ours = _model(CompiledDQN, **changes).learn(4_000)
    theirs = _copied(ours, **changes)
    replay = ours.replay_buffer
    replay.rewards *= 3.0  # so that both branches of the loss are met
    theirs.replay_buffer.rewards *= 3.0
    start = _weights(ours).copy()
    for model in (ours, theirs):
        np.random.seed(11)  # noqa: NPY002 - what SB3 draws from
        model.train(20, model.batch_size)
    assert np.abs(_weights(ours) - start).max() > 1e-3
    np.testing.assert_allclose(_weights(ours), _weights(theirs), atol=2e-6, rtol=0)
    logged, expected = ours.logger.name_to_value, theirs.logger.name_to_value
    assert logged["train/loss"] == pytest.approx(expected["train/loss"], rel=1e-5)
    states = [model.policy.optimizer.state_dict()["state"][0] for model in (ours, theirs)]
    assert states[0]["step"] == states[1]["step"] > 20
    assert replay.timeouts[: replay.size()].sum() > 10


def test_the_replay_buffer_holds_what_the_environments_own_step_gives() -> None:
    model = _model(CompiledDQN).learn(N_ENVS * 48)
    replay, env = model.replay_buffer, TradingVecEnv(MARKET, N_ENVS, seed=4, episode_length=50)
    observations, n_ended = env.reset(), 0
    for row in range(48):
        np.testing.assert_array_equal(replay.observations[row], observations)
        observations, rewards, dones, infos = env.step(replay.actions[row, :, 0])
        following = observations.copy()
        for index in np.flatnonzero(dones):
            following[index] = infos[index]["terminal_observation"]
        n_ended += int(dones.sum())
        np.testing.assert_array_equal(replay.next_observations[row], following)
        np.testing.assert_array_equal(replay.rewards[row], rewards)
        np.testing.assert_array_equal(replay.timeouts[row], dones)
        np.testing.assert_array_equal(replay.dones[row], dones)
    assert n_ended > 10
    np.testing.assert_array_equal(model._last_obs, observations)


def test_the_oldest_transitions_make_room_for_new_ones() -> None:
    model = _model(CompiledDQN, buffer_size=N_ENVS * 10).learn(N_ENVS * 24)
    replay = model.replay_buffer
    assert (replay.pos, replay.full) == (4, True)
    order = np.roll(np.arange(10), -4)
    goes_on = ~replay.dones[order].astype(bool)
    following = np.concatenate((replay.observations[order[1:]], model._last_obs[None]))
    np.testing.assert_array_equal(replay.next_observations[order][goes_on], following[goes_on])


def test_it_explores_as_often_as_its_rate_says_and_else_takes_the_best_value() -> None:
    changes = {"exploration_initial_eps": 0.3, "exploration_final_eps": 0.3, "learning_starts": 0}
    model = _model(CompiledDQN, train_freq=80, gradient_steps=0, **changes).learn(N_ENVS * 80)
    replay = model.replay_buffer
    with torch.no_grad():
        values = model.q_net(torch.from_numpy(replay.observations[:80].reshape(N_ENVS * 80, -1)))
    differs = replay.actions[:80].ravel() != values.argmax(dim=1).numpy()
    error = np.sqrt(0.2 * 0.8 / differs.size)
    assert abs(differs.mean() - 0.3 * 2 / 3) < 4 * error


@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        ({"net_arch": [8], "activation_fn": nn.ReLU}, {}),
        ({**ARCH, "optimizer_kwargs": {"weight_decay": 0.1}}, {}),
        (ARCH, {"n_steps": 3}),
    ],
    ids=["relu", "weight decay", "three-step returns"],
)
def test_options_that_are_not_covered_are_left_to_sb3(
    policy: dict[str, object], changes: dict[str, object]
) -> None:
    ours, theirs = (_model(kind, policy, **changes).learn(1_920) for kind in (CompiledDQN, DQN))
    assert not ours.is_compiled
    np.testing.assert_array_equal(_weights(ours), _weights(theirs))
