"""DQN of Stable-Baselines3 with its steps and its update in compiled calls."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import RolloutReturn, TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from sessions.rl.dqn_kernel import Replay, collect_nb, update_nb
from sessions.rl.environment import TradingVecEnv, streams
from sessions.rl.flat_parameters import FlatAdam, FlatParameters, is_plain_adam, tanh_layers
from trainingday.typing import FloatArray

_ARRAYS = attrgetter(*Replay._fields)


class CompiledDQN(DQN):
    """DQN whose steps and updates run in compiled calls, where its options are those covered.

    Covered: `TradingVecEnv`, a tanh network over the observation, Adam without weight decay, SB3's plain
    replay buffer of one-step transitions, a training frequency in steps. With other options, and in every
    other respect, it is SB3's DQN.

    Notes
    -----
    The update is SB3's own: transitions drawn by the same calls of NumPy's global generator, and the same
    numbers up to float32 rounding. Actions are drawn by own streams (SplitMix64, one per environment,
    seeded from `seed`), and each environment explores on its own, where SB3 lets all explore or none.
    A callback's `on_step` is called once per rollout, not once per step.
    """

    def _setup_model(self) -> None:
        super()._setup_model()
        layers = self._covered_layers()
        self.is_compiled = layers is not None
        if layers is None:
            return
        flat = FlatParameters(self.q_net)
        self._vector, self._shapes = flat.vector, flat.shape(layers)
        self._target = FlatParameters(self.q_net_target).vector
        self._adam = FlatAdam(flat, self.policy.optimizer)
        self._draws = streams([self.seed or 0, 1], self.n_envs)

    def _covered_layers(self) -> list[nn.Linear] | None:
        q_net: Any = self.q_net
        is_covered = (
            type(self.env) is TradingVecEnv
            and type(self.replay_buffer) is ReplayBuffer
            and not self.replay_buffer.optimize_memory_usage
            and self.replay_buffer.handle_timeout_termination
            and self.train_freq.unit == TrainFrequencyUnit.STEP  # type: ignore[union-attr]
            and not list(q_net.features_extractor.parameters())
            and is_plain_adam(self.policy.optimizer)
        )
        return tanh_layers(list(q_net.q_net)) if is_covered else None

    def _replay(self) -> Replay:
        return Replay._make(_ARRAYS(self.replay_buffer))

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        train_freq: TrainFreq,
        replay_buffer: Any,
        action_noise: Any = None,
        learning_starts: int = 0,
        log_interval: int | None = None,
    ) -> RolloutReturn:
        if not self.is_compiled:
            return super().collect_rollouts(
                env, callback, train_freq, replay_buffer, action_noise, learning_starts, log_interval
            )
        callback.on_rollout_start()
        explorations = self._explorations(train_freq.frequency, learning_starts)
        n_collected, n_ended = explorations.size * self.n_envs, self._collect(explorations)
        callback.update_locals(locals())
        if not callback.on_step():
            return RolloutReturn(n_collected, n_ended, continue_training=False)
        self._episode_num += n_ended
        callback.on_rollout_end()
        return RolloutReturn(n_collected, n_ended, continue_training=True)

    def _explorations(self, n_steps: int, learning_starts: int) -> FloatArray:
        """Count `n_steps` as SB3 does after each, and return how much each explores, (n_steps,)."""
        explorations = np.ones(n_steps)
        for step in range(n_steps):
            if self.num_timesteps >= learning_starts:
                explorations[step] = self.exploration_rate
            self.num_timesteps += self.n_envs
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            self._on_step()
        return explorations

    def _collect(self, explorations: FloatArray) -> int:
        env, buffer = self.env, self.replay_buffer
        assert isinstance(env, TradingVecEnv) and buffer is not None
        assert isinstance(self._last_obs, np.ndarray)
        following = env.next_buffer()
        following[:] = self._last_obs
        n_ended: int = collect_nb(
            self._vector,
            self._shapes,
            env.world,
            self._draws,
            explorations,
            following,
            self._replay(),
            buffer.pos,
        )
        self._last_obs = following
        buffer.full |= buffer.pos + explorations.size >= buffer.buffer_size
        buffer.pos = (buffer.pos + explorations.size) % buffer.buffer_size
        return n_ended

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        if not self.is_compiled:
            super().train(gradient_steps, batch_size)
            return
        self._update_learning_rate(self.policy.optimizer)
        assert self.replay_buffer is not None
        rows, envs = np.empty((2, gradient_steps, batch_size), dtype=np.int64)
        draw = np.random.randint
        for step in range(gradient_steps):
            rows[step] = draw(0, self.replay_buffer.size(), size=batch_size)
            envs[step] = draw(0, self.n_envs, size=batch_size)
        loss: float = update_nb(
            self._adam.arrays(float(self.max_grad_norm)),
            self._adam.n_steps,
            self._target,
            self._shapes,
            self._replay(),
            rows,
            envs,
            float(self.gamma),
        )
        self._adam.count(gradient_steps)
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", loss)
