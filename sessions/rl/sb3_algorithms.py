"""PPO, DQN and A2C of Stable-Baselines3 over the batched environment, at the settings that were measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from stable_baselines3 import A2C, DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from torch import nn

from sessions.rl.dqn import CompiledDQN
from sessions.rl.environment import MarketData, TradingVecEnv
from sessions.rl.errors import TrainingDiverged
from sessions.rl.ppo import CompiledPPO
from trainingday.policy.network import Activation, PolicyKind, PolicyNetwork

if TYPE_CHECKING:
    from sessions.rl.hyperparameters import Hyperparameters
    from sessions.rl.monitor import TrainingMonitor


def build_ppo(env: TradingVecEnv, h: Hyperparameters, seed: int) -> BaseAlgorithm:
    return CompiledPPO(
        "MlpPolicy",
        env,
        learning_rate=h.learning_rate,
        n_steps=64,
        batch_size=4096,
        n_epochs=4,
        gamma=h.gamma,
        gae_lambda=h.gae_lambda,
        ent_coef=h.ent_coef,
        clip_range=0.2,
        policy_kwargs={"net_arch": list(h.net_arch), "activation_fn": nn.Tanh},
        seed=seed,
        device="cpu",
    )


def build_a2c(env: TradingVecEnv, h: Hyperparameters, seed: int) -> BaseAlgorithm:
    return A2C(
        "MlpPolicy",
        env,
        learning_rate=h.learning_rate,
        n_steps=16,
        gamma=h.gamma,
        gae_lambda=h.gae_lambda,
        ent_coef=h.ent_coef,
        normalize_advantage=True,
        policy_kwargs={"net_arch": list(h.net_arch), "activation_fn": nn.Tanh},
        seed=seed,
        device="cpu",
    )


def build_dqn(env: TradingVecEnv, h: Hyperparameters, seed: int) -> BaseAlgorithm:
    return CompiledDQN(
        "MlpPolicy",
        env,
        learning_rate=h.learning_rate,
        gamma=h.gamma,
        batch_size=1024,
        buffer_size=200_000,
        learning_starts=4_096,
        train_freq=4,
        gradient_steps=2,
        target_update_interval=2_048,
        exploration_fraction=0.3,
        exploration_final_eps=0.05,
        policy_kwargs={"net_arch": list(h.net_arch), "activation_fn": nn.Tanh},
        seed=seed,
        device="cpu",
    )


_BUILDERS: dict[str, tuple[int, Callable[[TradingVecEnv, Hyperparameters, int], BaseAlgorithm]]] = {
    "ppo": (256, build_ppo),
    "a2c": (256, build_a2c),
    "dqn": (64, build_dqn),
}


def build(market: MarketData, hyperparameters: Hyperparameters, seed: int) -> BaseAlgorithm:
    """Return the SB3 algorithm over its batched environment."""
    n_envs, builder = _BUILDERS[hyperparameters.algorithm]
    env = TradingVecEnv(market, n_envs, seed=seed, episode_length=hyperparameters.episode_length)
    model = builder(env, hyperparameters, seed)
    model.set_logger(Logger(None, []))  # SB3's own makes a folder of each training in the temporary one
    return model


def policy_layers(model: BaseAlgorithm) -> list[nn.Linear]:
    """Return the linear layers from observation to action values or logits, in order."""
    policy: Any = model.policy
    if isinstance(model, DQN):
        modules: list[nn.Module] = list(policy.q_net.q_net)
    else:
        modules = [*policy.mlp_extractor.policy_net, policy.action_net]
    return [module for module in modules if isinstance(module, nn.Linear)]


def extract(model: BaseAlgorithm, observation: str) -> PolicyNetwork:
    """Return the model's policy as plain arrays."""
    layers = policy_layers(model)
    weights = tuple(np.ascontiguousarray(layer.weight.detach().numpy().T) for layer in layers)
    biases = tuple(layer.bias.detach().numpy().copy() for layer in layers)
    kind = PolicyKind.Q if isinstance(model, DQN) else PolicyKind.POLICY
    return PolicyNetwork(kind, Activation.TANH, weights, biases, observation)


def load_into(model: BaseAlgorithm, start: PolicyNetwork) -> None:
    """Copy a network of the same shape into the model, for a warm start."""
    with torch.no_grad():
        for layer, weight, bias in zip(policy_layers(model), start.weights, start.biases, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias))
    if isinstance(model, DQN):
        model.policy.q_net_target.load_state_dict(model.policy.q_net.state_dict())


class _Watch(BaseCallback):
    """Hands every rollout to the monitor."""

    def __init__(self, monitor: TrainingMonitor, observation: str) -> None:
        super().__init__()
        self._monitor, self._observation = monitor, observation

    def network(self) -> PolicyNetwork:
        return extract(self.model, self._observation)

    def _on_rollout_start(self) -> None:
        # A rollout starts right after an update: the loss is the last one's, the weights are new.
        loss: Any = self.model.logger.name_to_value.get("train/loss")
        if loss is not None:
            self._monitor.check_loss(float(loss))
        if self.num_timesteps:
            self._monitor.advance(self.num_timesteps, self.network)

    def _on_step(self) -> bool:
        return True


def learn(market: MarketData, hyperparameters: Hyperparameters, seed: int, monitor: TrainingMonitor) -> None:
    """Train with SB3; the monitor keeps what is learned."""
    model = build(market, hyperparameters, seed)
    if monitor.start is not None:
        load_into(model, monitor.start)
    watch = _Watch(monitor, hyperparameters.observation)
    try:
        model.learn(hyperparameters.n_steps, callback=watch, log_interval=1_000_000)
    except ValueError as error:
        # torch's distributions refuse NaN logits with a ValueError before any check of ours sees them.
        monitor.check_weights(watch.network())
        raise TrainingDiverged(f"training stopped: {error}") from error
    monitor.advance(model.num_timesteps, watch.network, is_last=True)
