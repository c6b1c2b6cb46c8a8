"""The compiled PPO computes what SB3's own does, and leaves to SB3 what it does not cover."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from torch import nn

from sessions.rl.environment import TradingVecEnv
from sessions.rl.ppo import CompiledPPO
from tests.markets import planted_bars
from tests.sessions.rl.settings_for_tests import market_of

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
MARKET = market_of(planted_bars("mixture_hourly", 2000, 5))
SETTINGS = {"n_steps": 32, "batch_size": 500, "n_epochs": 3, "learning_rate": 1e-3, "gamma": 0.9}
ARCH = {"net_arch": [32, 32], "activation_fn": nn.Tanh}


def _model(kind: type[PPO], policy: dict[str, object] | None = None, **changes: object) -> PPO:
    env = TradingVecEnv(MARKET, 48, seed=3, episode_length=50)
    settings = {**SETTINGS, "ent_coef": 0.01, "gae_lambda": 0.7, **changes}
    return kind("MlpPolicy", env, policy_kwargs=policy or ARCH, seed=4, device="cpu", **settings)


def _weights(model: PPO) -> np.ndarray:
    return torch.cat([parameter.detach().reshape(-1) for parameter in model.policy.parameters()]).numpy()


class _Silent(BaseCallback):
    def _on_step(self) -> bool:
        return True


def _collected(model: PPO) -> PPO:
    _, callback = model._setup_learn(100_000, _Silent())
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    return model


def _copied(source: PPO, **changes: object) -> PPO:
    """Return SB3's PPO with the weights, Adam's state and the rollout of another."""
    model = _model(PPO, **changes)
    model._setup_learn(100_000, _Silent())
    model.policy.load_state_dict(source.policy.state_dict())
    # Torch's load_state_dict would share the tensors.
    model.policy.optimizer.load_state_dict(deepcopy(source.policy.optimizer.state_dict()))
    buffer = model.rollout_buffer
    for name in ("observations", "actions", "rewards", "values", "log_probs", "advantages", "returns"):
        setattr(buffer, name, getattr(source.rollout_buffer, name).copy())
    buffer.pos, buffer.full = buffer.buffer_size, True
    return model


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"normalize_advantage": False, "clip_range": 0.05, "max_grad_norm": 0.05},
        {"policy": {"net_arch": [7], "activation_fn": nn.Tanh}, "vf_coef": 0.9, "ent_coef": 0.0},
        {"batch_size": 64},
    ],
    ids=["defaults", "much clipping", "odd width", "many minibatches"],
)
def test_two_updates_in_a_row_equal_those_of_sb3(changes: dict[str, object]) -> None:
    """1,536 samples in minibatches of 500 leave a short last one, and it is filled to no full block."""
    ours = _collected(_model(CompiledPPO, **changes))
    theirs = _copied(ours, **changes)
    start = _weights(ours).copy()
    for seed in (11, 12):
        for model in (ours, theirs):
            np.random.seed(seed)  # noqa: NPY002 - what SB3 draws from
            model.train()
    assert np.abs(_weights(ours) - start).max() > 5e-3
    np.testing.assert_allclose(_weights(ours), _weights(theirs), atol=2e-6, rtol=0)
    logged, expected = ours.logger.name_to_value, theirs.logger.name_to_value
    for name in ("policy_gradient_loss", "value_loss", "entropy_loss", "approx_kl", "loss"):
        assert logged[f"train/{name}"] == pytest.approx(expected[f"train/{name}"], rel=1e-4, abs=1e-6)
    assert logged["train/clip_fraction"] == pytest.approx(expected["train/clip_fraction"], abs=1e-3)
    assert logged["train/n_updates"] == expected["train/n_updates"] == 6
    step = ours.policy.optimizer.state_dict()["state"][0]["step"]
    assert step == theirs.policy.optimizer.state_dict()["state"][0]["step"]


def test_it_goes_on_from_an_optimisers_state_that_was_loaded() -> None:
    source, ours = _collected(_model(CompiledPPO)), _collected(_model(CompiledPPO))
    source.train()
    ours.policy.load_state_dict(source.policy.state_dict())
    ours.policy.optimizer.load_state_dict(deepcopy(source.policy.optimizer.state_dict()))
    for model in (source, ours):
        np.random.seed(13)  # noqa: NPY002 - what SB3 draws from
        model.train()
    np.testing.assert_array_equal(_weights(source), _weights(ours))


def test_sb3_finds_the_rollouts_values_and_probabilities_in_its_own_buffer() -> None:
    model = _collected(_model(CompiledPPO))
    buffer = model.rollout_buffer
    observations = torch.from_numpy(buffer.observations.reshape(-1, buffer.observations.shape[2]))
    actions = torch.from_numpy(buffer.actions.reshape(-1)).long()
    with torch.no_grad():
        values, log_probs, _ = model.policy.evaluate_actions(observations, actions)
    np.testing.assert_allclose(buffer.values.ravel(), values.numpy().ravel(), atol=2e-6)
    np.testing.assert_allclose(buffer.log_probs.ravel(), log_probs.numpy(), atol=2e-6)


def test_a_rollout_steps_the_environments_as_their_own_step_does() -> None:
    model = _collected(_model(CompiledPPO))
    buffer, gamma = model.rollout_buffer, model.gamma
    env = TradingVecEnv(MARKET, 48, seed=4, episode_length=50)
    observations, n_ended = env.reset(), 0
    for step in range(model.n_steps):
        np.testing.assert_array_equal(buffer.observations[step], observations)
        observations, rewards, dones, infos = env.step(buffer.actions[step, :, 0].astype(np.int64))
        for index in np.flatnonzero(dones):
            last = torch.from_numpy(infos[index]["terminal_observation"][None])
            with torch.no_grad():
                rewards[index] += gamma * model.policy.predict_values(last).item()
        n_ended += int(dones.sum())
        np.testing.assert_allclose(buffer.rewards[step], rewards, atol=2e-6)
        if step + 1 < model.n_steps:
            np.testing.assert_array_equal(buffer.episode_starts[step + 1], dones)
    assert n_ended > 10
    np.testing.assert_array_equal(model._last_obs, observations)


def test_actions_are_drawn_as_often_as_the_policy_says() -> None:
    model = _model(CompiledPPO, n_steps=1000)
    with torch.no_grad():
        model.policy.action_net.bias.copy_(torch.tensor([0.0, 1.0, -0.5]))
        model.policy.action_net.weight.zero_()
    actions = _collected(model).rollout_buffer.actions.ravel()
    expected = np.exp([0.0, 1.0, -0.5]) / np.exp([0.0, 1.0, -0.5]).sum()
    for action, probability in enumerate(expected):
        error = np.sqrt(probability * (1 - probability) / actions.size)
        assert abs((actions == action).mean() - probability) < 4 * error


@pytest.mark.parametrize(
    ("policy", "changes"),
    [
        ({"net_arch": [8], "activation_fn": nn.ReLU}, {}),
        ({**ARCH, "optimizer_kwargs": {"weight_decay": 0.1}}, {}),
        ({**ARCH, "optimizer_class": torch.optim.SGD}, {}),
        (ARCH, {"target_kl": 0.1}),
        (ARCH, {"clip_range_vf": 0.2}),
    ],
    ids=["relu", "weight decay", "sgd", "target divergence", "clipped values"],
)
def test_options_that_are_not_covered_are_left_to_sb3(
    policy: dict[str, object], changes: dict[str, object]
) -> None:
    ours, theirs = (_model(kind, policy, **changes).learn(1536) for kind in (CompiledPPO, PPO))
    assert not ours.is_compiled
    np.testing.assert_array_equal(_weights(ours), _weights(theirs))
