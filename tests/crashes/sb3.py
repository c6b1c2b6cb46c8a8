"""A training session of real SB3 algorithms, small enough to be killed many times."""

from __future__ import annotations

import functools
from unittest import mock

from sessions.rl.presets import PRESETS, Preset
from sessions.rl.suggestions import SearchSpace
from sessions.services import request_session
from tests.crashes.scenarios import SessionScenario
from trainingday.runs.models import Run, Trigger
from trainingday.runs.services import MAX_ATTEMPTS

SB3 = Preset("sb3", 4, 2, 0.05, 2, 0.1, 2, 60.0, "For random kills")
ALGORITHMS = ("ppo", "dqn")


def small_sb3_sessions() -> mock._patch_dict:
    """Return a patch under which sessions may be asked for with the small preset."""
    return mock.patch.dict(PRESETS, {SB3.name: SB3})


def only_sb3() -> mock._patch:  # type: ignore[type-arg]
    """Return a patch under which the search tries PPO and DQN alone."""
    space = functools.partial(SearchSpace, algorithms=ALGORITHMS)
    return mock.patch("sessions.search_stage.SearchSpace", space)


class SB3Scenario(SessionScenario):
    """A training session whose models are SB3's; its child is killed as often as it may be."""

    max_attempts = MAX_ATTEMPTS

    def request(self) -> Run:
        return request_session(self.market, SB3.name, trigger=Trigger.COMMAND, seed=1)
