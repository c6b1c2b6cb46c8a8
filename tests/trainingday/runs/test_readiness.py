"""/readyz: 200 while this process can serve and start work, 503 with the check that fails."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from trainingday.runs import readiness
from trainingday.runs.models import WorkerHeartbeat

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_is_migrated", False)


def answer(client: Client) -> tuple[int, dict[str, str]]:
    response = client.get("/readyz")
    return response.status_code, response.json()["checks"]


def test_all_is_well(client: Client) -> None:
    WorkerHeartbeat.objects.create(host="one", cluster="trainingday", seen_at=timezone.now())
    assert answer(client) == (200, dict.fromkeys(("database", "migrations", "disk", "workers"), "ok"))


def test_a_migration_that_is_not_applied_is_not_ready(client: Client) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("runs", sorted(recorder.migration_qs.filter(app="runs"), key=str)[-1].name)
    assert answer(client) == (
        503,
        {"database": "ok", "migrations": "fails", "disk": "ok", "workers": "none seen"},
    )


def test_a_full_disk_is_not_ready(client: Client, settings: Any) -> None:
    settings.TRAININGDAY_MIN_FREE_DISK_MB = 10**12
    status, checks = answer(client)
    assert (status, checks["disk"], checks["database"]) == (503, "fails", "ok")


def test_a_database_that_is_away_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("connection refused to host 10.0.0.1")

    monkeypatch.setattr(connection, "cursor", away)
    response = client.get("/readyz")
    assert response.status_code == 503 and response.json()["checks"]["database"] == "fails"
    assert "10.0.0.1" not in response.content.decode()


def test_silent_workers_are_told_but_pages_can_be_read(client: Client) -> None:
    assert answer(client)[1]["workers"] == "none seen"
    WorkerHeartbeat.objects.create(
        host="one", cluster="trainingday", seen_at=timezone.now() - timedelta(minutes=4)
    )
    status, checks = answer(client)
    assert (status, checks["workers"]) == (200, "silent")
