"""The market as an environment: many episodes stepped in one call, and a single-episode view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from sessions.rl.environment_kernel import BAR, EQUITY, GROWTH, HELD, World, observe_nb, reset_nb, step_nb
from sessions.rl.rewards import reward_table
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, NotEnoughBars
from trainingday.policy.network import FLAT, N_POSITIONS
from trainingday.policy.observation import CLIP
from trainingday.typing import Float32Array, FloatArray, IntArray

if TYPE_CHECKING:
    from trainingday.backtest.engine import Costs


@dataclass(frozen=True, eq=False)
class MarketData:
    """What the environments read, prepared once.

    Attributes
    ----------
    features : ndarray of shape (n_bars, n_features), float32
    rewards : ndarray of shape (n_bars - 1, 3, 3), float32
        See `sessions.rl.rewards.reward_table`.
    open, close : ndarray of shape (n_bars,), float64
    fee, slippage : float
        Fractions per side.
    """

    features: Float32Array
    rewards: Float32Array
    open: FloatArray
    close: FloatArray
    fee: float
    slippage: float

    @classmethod
    def create(
        cls,
        features: Float32Array,
        bars: Bars,
        costs: Costs,
        *,
        bars_per_year: float,
        risk_factor: float = 1.0,
        reward: str = "scaled",
    ) -> MarketData:
        """Return the data of bars and their features; row t of both is the same bar."""
        if features.ndim != 2 or features.shape[0] != len(bars):
            raise InvalidArgument(f"features should have {len(bars)} rows, have shape {features.shape}")
        if not np.isfinite(features).all():
            raise InvalidArgument("features should be finite, are not")
        table = reward_table(bars, costs, bars_per_year=bars_per_year, risk_factor=risk_factor, reward=reward)
        rows = np.ascontiguousarray(features, dtype=np.float32)
        prices = np.ascontiguousarray(bars.open), np.ascontiguousarray(bars.close)
        return cls(rows, table, *prices, float(costs.fee), float(costs.slippage))

    @property
    def n_bars(self) -> int:
        return int(self.close.shape[0])

    @property
    def observation_space(self) -> spaces.Box:
        return spaces.Box(-CLIP, CLIP, (self.features.shape[1] + N_POSITIONS,), np.float32)


def streams(seed: int | list[int], n_envs: int) -> NDArray[np.uint64]:
    """Return the start of one stream of `uniform_nb` per environment, (n_envs,), uint64."""
    state = np.random.SeedSequence(seed).generate_state(n_envs, np.uint64)
    return state.astype(np.uint64, copy=False)


class TradingVecEnv(VecEnv):
    """N environments over one market, stepped by one compiled call.

    Parameters
    ----------
    market : MarketData
    n_envs : int
    seed : int
    episode_length : int
        Bars per episode; episodes are truncated, never terminated. The first of each environment has a
        random length, so that ends are spread over time.
    random_position : bool
        Start episodes short, flat or long at random, so that the agent learns to leave every position.

    Notes
    -----
    A start position is held at the first close, free of cost. Two observation buffers alternate, because SB3
    keeps the last observation while it asks for the next.
    """

    def __init__(
        self,
        market: MarketData,
        n_envs: int,
        *,
        seed: int = 0,
        episode_length: int = 512,
        random_position: bool = True,
    ) -> None:
        if n_envs < 1 or episode_length < 1:
            raise InvalidArgument(f"n_envs and episode_length should be >= 1, are {n_envs}, {episode_length}")
        if market.n_bars < 3:
            raise NotEnoughBars(f"an environment should have >= 3 bars, has {market.n_bars}")
        super().__init__(n_envs, market.observation_space, spaces.Discrete(N_POSITIONS))
        self.market, self.episode_length, self.random_position = market, episode_length, random_position
        self._prices = np.column_stack((market.open, market.close))
        self._state, self._ledger = np.zeros((3, n_envs), dtype=np.int64), np.zeros((n_envs, 4))
        self._rewards, self._dones = np.zeros(n_envs, dtype=np.float32), np.zeros(n_envs, dtype=np.bool_)
        shape = (n_envs, market.features.shape[1] + N_POSITIONS)
        self._buffers = (np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32))
        self._terminal = np.zeros(shape, dtype=np.float32)
        self._turn = 0
        self._no_infos: list[dict[str, Any]] = [{} for _ in range(n_envs)]
        self._actions: IntArray = np.zeros(n_envs, dtype=np.int64)
        self._random = np.empty(n_envs, dtype=np.uint64)
        self._streams(seed)
        self.world = self._world()

    def _streams(self, seed: int) -> None:
        self._random[:] = streams(seed, self.num_envs)

    def _world(self) -> World:
        """Return the market and the state of all environments, as views: a kernel that steps moves these."""
        return World(
            self.market.features,
            self.market.rewards,
            self._prices,
            self.market.fee,
            self.market.slippage,
            self.episode_length,
            self.random_position,
            self._random,
            self._state,
            self._ledger,
            self._rewards,
            self._dones,
        )

    @property
    def equity(self) -> FloatArray:
        """Equity since the episode's start, 1 at its first close, (n_envs,)."""
        return self._ledger[:, EQUITY]

    @property
    def returns(self) -> FloatArray:
        """The last bar's net returns in the engine's accounting, (n_envs,)."""
        return self._ledger[:, GROWTH]

    @property
    def bars(self) -> IntArray:
        """The bar that each environment observes, (n_envs,)."""
        bars: IntArray = self._state[BAR]
        return bars

    @property
    def held(self) -> IntArray:
        """The index of the position that each environment holds, (n_envs,)."""
        held: IntArray = self._state[HELD]
        return held

    def place(self, bars: IntArray, positions: IntArray, n_steps: int) -> Float32Array:
        """Put every environment at a bar with a held position index for `n_steps`; return observations."""
        self._state[:] = np.broadcast_arrays(bars, positions, n_steps)
        fraction, nothing = self.held - 1.0, np.zeros(self.num_envs)
        units = fraction / self.market.close[self.bars]
        self._ledger[:] = np.column_stack((1.0 - fraction, units, nothing + 1.0, nothing))
        return self._observe()

    def next_buffer(self) -> Float32Array:
        """Return the observation buffer that the caller does not hold, to be filled, (n_envs, n_inputs)."""
        self._turn = 1 - self._turn
        return self._buffers[self._turn]

    def _observe(self) -> Float32Array:
        observations = self.next_buffer()
        observe_nb(self.market.features, self._state, observations)
        return observations

    def reset(self) -> Float32Array:
        for env in range(self.num_envs):
            reset_nb(
                env,
                self._prices,
                self.episode_length,
                self.num_envs > 1,
                self.random_position,
                self._random,
                self._state,
                self._ledger,
            )
        return self._observe()

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        if seed is not None:
            self._streams(seed)
        return [seed] * self.num_envs

    def step_async(self, actions: IntArray) -> None:
        self._actions = np.asarray(actions, dtype=np.int64).ravel()

    def step_wait(self) -> tuple[Float32Array, Float32Array, Any, list[dict[str, Any]]]:
        observations = self.next_buffer()
        n_ended = step_nb(self._actions, *self.world, observations, self._terminal)
        infos = self._no_infos
        if n_ended:
            infos = infos.copy()
            for rank, env in enumerate(self._dones.nonzero()[0]):
                infos[env] = {
                    "TimeLimit.truncated": True,
                    "terminal_observation": self._terminal[rank].copy(),
                }
        return observations, self._rewards.copy(), self._dones.copy(), infos

    def close(self) -> None:
        """Hold no resources."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name, None) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise InvalidArgument(f"{method_name} should be called on the whole batch")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False for _ in self._get_indices(indices)]


class TradingEnv(gym.Env[Float32Array, np.int64]):
    """One episode at a time of the same market, for gymnasium's tools and tests."""

    metadata = {"render_modes": []}

    def __init__(
        self, market: MarketData, *, episode_length: int = 512, random_position: bool = True
    ) -> None:
        self._batch = TradingVecEnv(market, 1, episode_length=episode_length, random_position=random_position)
        self.observation_space = self._batch.observation_space
        self.action_space = spaces.Discrete(N_POSITIONS)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32Array, dict[str, Any]]:
        """Start an episode; options {"bar": b, "position": -1|0|1} choose where."""
        super().reset(seed=seed)
        if seed is not None:
            self._batch.seed(seed)
        observation = self._batch.reset()
        if options and "bar" in options:
            last = self._batch.market.n_bars - 1
            if not 0 <= options["bar"] < last:
                raise InvalidArgument(f"bar should be in [0, {last}), is {options['bar']}")
            n_steps = min(self._batch.episode_length, last - options["bar"])
            held = np.array([int(options.get("position", FLAT - 1)) + 1])
            observation = self._batch.place(np.array([options["bar"]]), held, n_steps)
        return observation[0].copy(), {"equity": 1.0}

    def step(self, action: np.int64) -> tuple[Float32Array, float, bool, bool, dict[str, Any]]:
        self._batch.step_async(np.array([action]))
        # The batch restarts a finished environment at once: what it held before is the equity to report.
        before = float(self._batch.equity[0])
        observations, rewards, dones, infos = self._batch.step_wait()
        growth = float(self._batch.returns[0])
        info = {"equity": before * (1.0 + growth), "return": growth}
        last = infos[0].get("terminal_observation", observations[0])
        return last.copy(), float(rewards[0]), False, bool(dones[0]), info
