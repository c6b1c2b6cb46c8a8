"""Training sessions small enough for tests: a preset of a few thousand steps, trials in line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from sessions.models import TrainingSession
from sessions.rl.presets import PRESETS, Preset
from sessions.services import request_session
from trainingday.markets.models import Market
from trainingday.runs import services
from trainingday.runs.child import work
from trainingday.runs.context import RunContext
from trainingday.runs.models import Trigger

TINY = Preset("tiny", 6, 3, 0.01, 2, 0.02, 2, 60.0, "For tests")


@pytest.fixture
def tiny_preset(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Preset:
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    settings.TRAININGDAY_EXECUTOR = "inline"
    return TINY


@pytest.fixture
def run_session(tiny_preset: Preset) -> Callable[..., TrainingSession]:
    """Return a function that carries a session out in this process, as its child would."""

    def run(market: Market, seed: int = 5, preset: str = "tiny") -> TrainingSession:
        session = request_session(market, preset, trigger=Trigger.COMMAND, seed=seed)
        return carry_out(session)

    return run


def carry_out(session: TrainingSession) -> TrainingSession:
    """Claim a session and work on it; return its row as it is afterwards."""
    fence = services.claim("session", session.pk)
    assert fence is not None
    work(RunContext("session", session.pk, fence))
    return cast(TrainingSession, services.get_run("session", session.pk))
