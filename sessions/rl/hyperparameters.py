"""The settings of one training, checked; no torch here, so that forms may import it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from trainingday.exceptions import InvalidArgument
from trainingday.policy.observation import OBSERVATIONS
from trainingday.typing import JSONDict

ALGORITHMS: Final = ("ppo", "dqn", "a2c", "policy_gradient")
REWARD_NAMES: Final = ("scaled", "volatility", "downside")

_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "learning_rate": (1e-7, 1.0),
    "gamma": (0.0, 1.0),
    "gae_lambda": (0.0, 1.0),
    "ent_coef": (0.0, 1.0),
    "risk_factor": (0.0, 100.0),
    "episode_length": (2, 65_536),
    "n_steps": (1, 1_000_000_000),
}


@dataclass(frozen=True)
class Hyperparameters:
    """What one training is told.

    Attributes
    ----------
    algorithm : str
        "ppo" (Schulman et al. 2017), "dqn" (Mnih et al. 2015), "a2c" (Mnih et al. 2016) or
        "policy_gradient" (exact, see `sessions.rl.policy_gradient`).
    learning_rate, gamma : float
    gae_lambda, ent_coef : float
        Not used by DQN; `gae_lambda` not by the exact policy gradient.
    net_arch : tuple of int
        Widths of the hidden layers.
    risk_factor : float
        Multiplies the risk aversion, see `sessions.rl.rewards.risk_aversion`.
    episode_length : int
        Bars per episode; bars per window for the exact policy gradient.
    n_steps : int
        Bars learned from in all.
    observation, reward : str
        Registered names, see `trainingday.policy.observation.OBSERVATIONS` and `sessions.rl.rewards.REWARDS`.
    """

    algorithm: str = "ppo"
    learning_rate: float = 1e-3
    gamma: float = 0.9
    gae_lambda: float = 0.7
    ent_coef: float = 0.01
    net_arch: tuple[int, ...] = (32, 32)
    risk_factor: float = 1.0
    episode_length: int = 512
    n_steps: int = 400_000
    observation: str = "standard"
    reward: str = "scaled"

    def __post_init__(self) -> None:
        for name, choices in (
            ("algorithm", ALGORITHMS),
            ("observation", tuple(OBSERVATIONS)),
            ("reward", REWARD_NAMES),
        ):
            if getattr(self, name) not in choices:
                raise InvalidArgument(f"{name} should be one of {choices}, is {getattr(self, name)!r}")
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InvalidArgument(f"{name} should be a finite number, is {value!r}")
            if not low <= value <= high:
                raise InvalidArgument(f"{name} should be {low}..{high}, is {value}")
        for name in ("episode_length", "n_steps"):
            if not isinstance(getattr(self, name), int):
                raise InvalidArgument(f"{name} should be an integer, is {getattr(self, name)!r}")
        widths = self.net_arch
        if not isinstance(widths, tuple) or not 1 <= len(widths) <= 4:
            raise InvalidArgument(f"net_arch should be a tuple of 1..4 widths, is {widths!r}")
        if not all(isinstance(width, int) and 1 <= width <= 512 for width in widths):
            raise InvalidArgument(f"net_arch widths should be integers 1..512, are {widths}")

    def as_dict(self) -> JSONDict:
        """Return a JSON object that `from_dict` reads back."""
        return {**asdict(self), "net_arch": list(self.net_arch)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Hyperparameters:
        """Return hyperparameters of a JSON object; what it leaves out is its algorithm's default.

        Raises
        ------
        InvalidArgument
            If a key is unknown or a value is outside its bounds.
        """
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise InvalidArgument(f"hyperparameters should not hold {sorted(unknown)}")
        given = dict(values)
        if "net_arch" in given:
            try:
                given["net_arch"] = tuple(given["net_arch"])
            except TypeError as error:
                raise InvalidArgument(f"net_arch should be a list, is {given['net_arch']!r}") from error
        return replace(default_hyperparameters(given.pop("algorithm", "ppo")), **given)


_DEFAULTS: Final = {
    "ppo": Hyperparameters(),
    "dqn": Hyperparameters(algorithm="dqn", learning_rate=5e-4, n_steps=200_000),
    "a2c": Hyperparameters(algorithm="a2c", learning_rate=7e-4, n_steps=600_000),
    "policy_gradient": Hyperparameters(
        algorithm="policy_gradient",
        learning_rate=2e-3,
        gamma=1.0,
        ent_coef=0.1,  # 0.01 overfits: 0.39..0.66 of the oracle on AR(1) hourly instead of 0.78..1.01
        episode_length=128,
        n_steps=2_457_600,
    ),
}


def default_hyperparameters(algorithm: str) -> Hyperparameters:
    """Return an algorithm's measured defaults."""
    if algorithm not in _DEFAULTS:
        raise InvalidArgument(f"algorithm should be one of {ALGORITHMS}, is {algorithm!r}")
    return _DEFAULTS[algorithm]
