"""Retention of events: those of runs that ended long ago go, and no others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sessions.models import TrainingSession
from tests import pages
from trainingday.runs import retention
from trainingday.runs.models import RunEvent
from trainingday.runs.retention import drop_old_events

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def session_with_events(n_events: int, **fields: Any) -> TrainingSession:
    market = pages.make_market()
    session = pages.make_session(market, pages.make_dataset(market), state=fields.pop("state"))
    TrainingSession.objects.filter(pk=session.pk).update(finished_at=None, **fields)
    for seq in range(n_events):
        pages.add_event(session, seq + 1, "progress", detail="x")
    return session


def n_events(session: TrainingSession) -> int:
    return RunEvent.objects.filter(run_kind="session", run_pk=session.pk).count()


def test_only_events_of_runs_that_ended_before_the_limit_go(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TRAININGDAY_EVENT_DAYS = 30
    monkeypatch.setattr(retention, "BATCH", 2)
    session = session_with_events(5, state="running")
    old = NOW - timedelta(days=400)
    for state, finished_at, kept in (
        ("running", None, 5),
        ("queued", old, 5),
        ("succeeded", NOW - timedelta(days=29), 5),
        ("succeeded", None, 5),
        ("failed", NOW - timedelta(days=31), 0),
    ):
        TrainingSession.objects.filter(pk=session.pk).update(
            state=state, finished_at=finished_at, created_at=old
        )
        assert drop_old_events() == 5 - kept and n_events(session) == kept, state
    assert TrainingSession.objects.filter(pk=session.pk).exists()


def test_zero_days_keeps_all(settings: Any) -> None:
    settings.TRAININGDAY_EVENT_DAYS = 0
    session = session_with_events(3, state="succeeded")
    TrainingSession.objects.update(finished_at=NOW - timedelta(days=4000))
    assert drop_old_events() == 0 and n_events(session) == 3


def test_a_worker_looks_once_an_hour(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TRAININGDAY_EVENT_DAYS = 30
    monkeypatch.setattr(retention, "_dropped_at", float("-inf"))
    calls: list[int] = []
    monkeypatch.setattr(retention, "drop_old_events", lambda: calls.append(1))
    retention.drop_hourly()
    retention.drop_hourly()
    assert calls == [1]
