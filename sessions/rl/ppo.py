"""PPO of Stable-Baselines3 with rollout and update in compiled calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from sessions.rl.environment import TradingVecEnv, streams
from sessions.rl.flat_parameters import FlatAdam, FlatParameters, is_plain_adam, tanh_layers
from sessions.rl.ppo_kernel import Loss, Rollout, collect_nb, update_nb
from trainingday.typing import FloatArray


class CompiledPPO(PPO):
    """PPO whose rollout and update each run in one compiled call, where its options are those covered.

    Covered: `TradingVecEnv`, separate tanh networks of policy and value over the observation, Adam without
    weight decay, no clipping of values, no target divergence, no state-dependent exploration. With other
    options, and in every other respect, it is SB3's PPO.

    Notes
    -----
    The update is SB3's own: minibatches by the same calls of NumPy's global generator, and the same
    numbers up to float32 rounding. The rollout draws actions by its own streams (SplitMix64, one per
    environment, seeded from `seed`), so the same seed repeats itself but not SB3's run.
    """

    def _setup_model(self) -> None:
        super()._setup_model()
        nets = self._covered_nets()
        self.is_compiled = nets is not None
        if nets is None:
            return
        flat = FlatParameters(self.policy)
        self._vector = flat.vector
        self._policy_shape, self._value_shape = (flat.shape(layers) for layers in nets)
        self._adam = FlatAdam(flat, self.policy.optimizer)
        self._draws = streams([self.seed or 0, 1], self.n_envs)

    def _covered_nets(self) -> tuple[list[nn.Linear], list[nn.Linear]] | None:
        policy: Any = self.policy
        has_other_options = (
            type(self.env) is not TradingVecEnv
            or self.use_sde
            or self.clip_range_vf is not None
            or self.target_kl is not None
            or list(policy.features_extractor.parameters())
            or not is_plain_adam(policy.optimizer)
        )
        if has_other_options:
            return None
        actor = tanh_layers([*policy.mlp_extractor.policy_net, policy.action_net])
        critic = tanh_layers([*policy.mlp_extractor.value_net, policy.value_net])
        return (actor, critic) if actor is not None and critic is not None else None

    def _rollout(self) -> Rollout:
        return Rollout(*(getattr(self.rollout_buffer, name) for name in Rollout._fields))

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: Any, n_rollout_steps: int
    ) -> bool:
        if not self.is_compiled:
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        assert isinstance(env, TradingVecEnv)
        rollout_buffer.reset()
        callback.on_rollout_start()
        rollout_buffer.observations[0] = self._last_obs
        rollout_buffer.episode_starts[0] = self._last_episode_starts
        following, values = env.next_buffer(), np.empty(env.num_envs, dtype=np.float32)
        collect_nb(
            self._vector,
            self._policy_shape,
            self._value_shape,
            env.world,
            self._draws,
            self.gamma,
            self._rollout(),
            following,
            values,
        )
        dones = env.world.dones.copy()
        self._last_obs, self._last_episode_starts = following, dones
        rollout_buffer.pos, rollout_buffer.full = n_rollout_steps, True
        self.num_timesteps += env.num_envs * n_rollout_steps
        callback.update_locals(locals())
        if not callback.on_step():
            return False
        rollout_buffer.compute_returns_and_advantage(last_values=torch.from_numpy(values), dones=dones)
        callback.on_rollout_end()
        return True

    def train(self) -> None:
        if not self.is_compiled:
            super().train()
            return
        self._update_learning_rate(self.policy.optimizer)
        clip_range: Any = self.clip_range
        loss = Loss(
            self.batch_size,
            float(clip_range(self._current_progress_remaining)),
            float(self.ent_coef),
            float(self.vf_coef),
            self.normalize_advantage,
        )
        rollout, sums = self._rollout(), np.zeros(6)
        permute = np.random.permutation
        orders = np.stack([permute(rollout.values.size) for _ in range(self.n_epochs)])
        n_minibatches = update_nb(
            self._adam.arrays(float(self.max_grad_norm)),
            self._adam.n_steps,
            self._policy_shape,
            self._value_shape,
            rollout,
            orders,
            loss,
            sums,
        )
        self._adam.count(n_minibatches)
        self._n_updates += self.n_epochs
        self._record(rollout, sums, n_minibatches, loss.clip_range)

    def _record(self, rollout: Rollout, sums: FloatArray, n_minibatches: int, clip_range: float) -> None:
        names = ("policy_gradient_loss", "value_loss", "entropy_loss", "clip_fraction")
        for name, total in zip(names, sums[:4], strict=True):
            self.logger.record(f"train/{name}", total / n_minibatches)
        self.logger.record("train/approx_kl", sums[4] * self.n_epochs / n_minibatches)
        self.logger.record("train/loss", sums[5])
        explained = explained_variance(rollout.values.ravel(), rollout.returns.ravel())
        self.logger.record("train/explained_variance", explained)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip_range)
