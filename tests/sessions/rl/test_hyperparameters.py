"""Hyperparameters: checked, and read back as they were written."""

import json

import pytest

from sessions.rl.hyperparameters import (
    ALGORITHMS,
    REWARD_NAMES,
    Hyperparameters,
    default_hyperparameters,
)
from sessions.rl.rewards import REWARDS
from trainingday.exceptions import InvalidArgument


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_defaults_survive_json(algorithm: str) -> None:
    defaults = default_hyperparameters(algorithm)
    assert defaults.algorithm == algorithm
    assert Hyperparameters.from_dict(json.loads(json.dumps(defaults.as_dict()))) == defaults
    assert Hyperparameters.from_dict({"algorithm": algorithm}) == defaults


def test_what_a_dict_leaves_out_is_its_algorithms_default() -> None:
    given = Hyperparameters.from_dict({"algorithm": "dqn", "gamma": 0.95})
    assert given.gamma == 0.95
    assert given.learning_rate == default_hyperparameters("dqn").learning_rate


def test_the_reward_names_are_the_registered_ones() -> None:
    assert set(REWARD_NAMES) == set(REWARDS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("algorithm", "sarsa"),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", "fast"),
        ("learning_rate", True),
        ("gamma", 1.01),
        ("gamma", -0.1),
        ("gae_lambda", float("inf")),
        ("ent_coef", -1e-9),
        ("risk_factor", 101),
        ("episode_length", 1),
        ("episode_length", 64.5),
        ("n_steps", 0),
        ("net_arch", []),
        ("net_arch", [0]),
        ("net_arch", [513]),
        ("net_arch", [32.0]),
        ("net_arch", 32),
        ("observation", "future"),
        ("reward", "hope"),
        ("device", "cuda"),
    ],
)
def test_a_value_outside_its_bounds_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidArgument, match=name):
        Hyperparameters.from_dict({name: value})
