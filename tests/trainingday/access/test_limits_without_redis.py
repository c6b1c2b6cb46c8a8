"""Redis hangs, dies and comes back: pages and API answer, and the limit of reads holds in each process."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from tests.redis import own_redis
from trainingday import settings as product
from trainingday.access import limits

pytestmark = [pytest.mark.django_db, pytest.mark.redis, pytest.mark.only_on_sqlite]
LIMIT = 3


@pytest.fixture
def redis_server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Redis that counts reads, of which few are allowed in a very long window."""
    monkeypatch.setattr(limits, "_cache_fails_until", float("-inf"))
    settings.TRAININGDAY_RATE_LIMITS = {**settings.TRAININGDAY_RATE_LIMITS, "read": (LIMIT, 10**9)}
    with own_redis() as (url, server):
        shared = {
            "BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url,
            "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
        }  # fmt: skip
        settings.CACHES = {"default": shared, "own": product.CACHES["own"]}
        caches["own"].clear()
        yield server


def answers(api: APIClient) -> list[int]:
    return [api.get("/api/v1/runs/").status_code for _ in range(LIMIT + 1)]


@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL])
def test_without_redis_pages_and_api_answer_and_the_limit_holds(
    redis_server: subprocess.Popen[bytes], make_user: Callable[[str], User], fault: signal.Signals
) -> None:
    client, api = Client(), APIClient()
    user = make_user("viewer")
    client.force_login(user)
    api.force_authenticate(user)
    assert answers(api) == [200] * LIMIT + [429]
    redis_server.send_signal(fault)
    if fault == signal.SIGKILL:
        redis_server.wait()
    began = time.monotonic()
    with capture_logs() as logs:
        assert answers(api) == [200] * LIMIT + [429]
    assert client.get("/").status_code == 200
    assert time.monotonic() - began < 15
    warnings = [line for line in logs if line["log_level"] == "warning"]
    assert len(warnings) == 1 and "counted by each process" in warnings[0]["event"]


def test_when_redis_is_back_the_count_is_shared_again(
    redis_server: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [limits.take("read", "ann") for _ in range(LIMIT)] == [0] * LIMIT
    redis_server.send_signal(signal.SIGSTOP)
    assert limits.take("read", "ann") == 0
    redis_server.send_signal(signal.SIGCONT)
    assert limits.take("read", "ann") == 0  # still by itself: half a minute has not passed
    monkeypatch.setattr(limits, "SECONDS_WITHOUT_CACHE", 0.0)
    monkeypatch.setattr(limits, "_cache_fails_until", float("-inf"))
    assert limits.take("read", "ann") > 0
