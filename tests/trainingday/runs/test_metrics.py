"""/metrics: off by default; on, for admins and for whoever bears the token."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from tests import pages
from trainingday.runs.models import WorkerHeartbeat

pytestmark = pytest.mark.django_db


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(pages.make_user(role))
    return client


def test_they_are_off_unless_set_up() -> None:
    assert signed_in("admin").get("/metrics").status_code == 404


def test_only_admins_and_the_token_read_them(settings: Any) -> None:
    settings.TRAININGDAY_METRICS = True
    for role, status in (("viewer", 403), ("operator", 403), ("admin", 200)):
        assert signed_in(role).get("/metrics").status_code == status
    assert Client().get("/metrics").status_code == 403
    # No token is set: none fits, not even an empty one.
    assert Client().get("/metrics", headers={"authorization": "Bearer "}).status_code == 403
    settings.TRAININGDAY_METRICS_TOKEN = "scrape-me"
    for token, status in (("scrape-me", 200), ("scrape-m", 403), ("", 403), ("ünïcode", 403)):
        assert Client().get("/metrics", headers={"authorization": f"Bearer {token}"}).status_code == status


def test_runs_queue_and_workers_are_counted(settings: Any) -> None:
    settings.TRAININGDAY_METRICS = True
    market = pages.make_market()
    pages.make_session(market, pages.make_dataset(market), state="running")
    WorkerHeartbeat.objects.create(host="one", cluster="long", seen_at=timezone.now())
    text = signed_in("admin").get("/metrics").content.decode()
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["trainingday_runs", "running", "session"] == 1
    assert samples["trainingday_runs", "queued", "session"] == 0
    assert 0 <= samples["trainingday_worker_heartbeat_age_seconds", "long", "one"] < 60


def test_requests_are_counted_by_view(settings: Any) -> None:
    settings.TRAININGDAY_METRICS = True
    settings.MIDDLEWARE = [
        "django_prometheus.middleware.PrometheusBeforeMiddleware",
        *settings.MIDDLEWARE,
        "django_prometheus.middleware.PrometheusAfterMiddleware",
    ]
    admin = signed_in("admin")
    admin.get("/healthz")
    assert 'view="runs:healthz"' in admin.get("/metrics").content.decode()
