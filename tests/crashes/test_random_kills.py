"""Real SB3 training under the real supervisor, its processes killed at random: the result is an undisturbed one's."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from django_q.models import OrmQ

from tests.crashes.sb3 import SB3Scenario, small_sb3_sessions
from tests.crashes.test_sweep import tell
from trainingday.runs import services, supervisor
from trainingday.runs.models import RunState

pytestmark = [pytest.mark.slow, pytest.mark.only_on_sqlite]
# `RANDOM_KILLS=50` is RELIABILITY.md's figure; CI makes do with one session.
N_KILLS = int(os.environ.get("RANDOM_KILLS", "2"))
KILLS_PER_SESSION = services.MAX_ATTEMPTS - 1  # the third death of a run is its last
SEED = int(os.environ.get("RANDOM_KILLS_SEED", "1"))


class Killer:
    """Kills each child's process group a random time after its start, while it may."""

    def __init__(self) -> None:
        self.random = random.Random(SEED)
        self.longest = 0.0  # seconds that an attempt takes when nobody disturbs it; 0 kills nobody
        self.times: list[float] = []
        self.n_started = 0

    @contextmanager
    def at_work(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        start, timers = supervisor._start, []

        def start_and_threaten(kind: str, pk: int, fence: int) -> supervisor.Child:
            child = start(kind, pk, fence)
            self.n_started += 1
            if self.longest and fence <= KILLS_PER_SESSION and len(self.times) < N_KILLS:
                seconds = self.random.uniform(0.0, self.longest)
                timers.append(threading.Timer(seconds, self._kill, (child, seconds)))
                timers[-1].start()
            return child

        with patch.context() as inner:
            inner.setattr(supervisor, "_start", start_and_threaten)
            yield
        for timer in timers:
            timer.cancel()

    def learn(self, seconds: float) -> None:
        """Take the shortest whole attempt so far: how long one takes depends on what else the machine does."""
        self.longest = min(self.longest or seconds, seconds)

    def _kill(self, child: supervisor.Child, seconds: float) -> None:
        if child.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
                self.times.append(seconds)


def carry_out(scenario: SB3Scenario, killer: Killer, patch: pytest.MonkeyPatch) -> None:
    """Supervise the session, as each message tells a worker to, until it is terminal."""
    scenario.request()
    run = scenario.run
    while run.is_active:
        assert OrmQ.objects.filter(key="long").exists(), "no message asks for the next attempt"
        OrmQ.objects.all().delete()
        before = killer.n_started, len(killer.times)
        began = time.monotonic()
        with killer.at_work(patch):
            supervisor.supervise(run.kind, run.pk)
        run = scenario.run
        if run.state == RunState.SUCCEEDED and run.attempts == 1:
            killer.learn(time.monotonic() - began)
        assert killer.n_started == before[0] + 1, f"no child was started: {run.state} {run.reason}"
        if run.is_active:
            assert (run.state, len(killer.times)) == (RunState.QUEUED, before[1] + 1), run.reason
            assert "killed by SIGKILL" in run.reason


def check_all_gone(scenario: SB3Scenario) -> None:
    """Assert that no process of any attempt lives on, nor its scratch folder.

    Told by the folder in its environment: numbers of processes are used again while fifty kills take their time.
    """
    scratch = Path(settings.TRAININGDAY_SCRATCH)
    name = f"session-{scenario.run.pk}-"
    assert not list(scratch.glob(f"{name}*"))
    assert not [
        process for process in psutil.process_iter() if _folder(process).startswith(str(scratch / name))
    ]


def _folder(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("TMPDIR", ""))
    except psutil.Error:  # it has ended, or is another user's
        return ""


def test_sessions_killed_at_random_end_as_an_undisturbed_one(
    child_database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "CHILD_MODULE", "tests.crashes.sb3_child")
    killer = Killer()
    with small_sb3_sessions():
        undisturbed = SB3Scenario()
        carry_out(undisturbed, killer, monkeypatch)
        expected = undisturbed.facts()
        assert expected["state"] == RunState.SUCCEEDED, expected["reason"]
        assert {row[1]["algorithm"] for row in expected["trials"]} == {"ppo", "dqn"}
        n_sessions, wrong = 0, []
        while len(killer.times) < N_KILLS:
            scenario, n_sessions = SB3Scenario(), n_sessions + 1
            carry_out(scenario, killer, monkeypatch)
            wrong += violations(scenario, expected)
            check_all_gone(scenario)
            tell(
                f"random kills: {len(killer.times)} of {N_KILLS}, {n_sessions} sessions, {len(wrong)} violations"
            )
    assert wrong == []


def violations(scenario: SB3Scenario, expected: dict[str, Any]) -> list[str]:
    """Return which facts differ from the undisturbed session's; the invariants raise by themselves."""
    scenario.check_events()
    scenario.check_no_orphan()
    found = scenario.facts()
    return [f"{scenario.run}: {key}" for key, value in expected.items() if found[key] != value]
