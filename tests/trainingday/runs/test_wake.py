"""Relays are woken by PostgreSQL's NOTIFY or the channel layer, and read by the clock without either."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import channel_layers
from django.db import connection

from patterns.services import request_scan
from tests.conftest import make_market
from tests.markets import gaussian_bars
from tests.redis import own_redis
from trainingday.runs import services, wake
from trainingday.runs.context import RunContext
from trainingday.runs.models import Trigger
from trainingday.runs.relay import Relay, Subscription

pytestmark = pytest.mark.django_db(transaction=True)
FAR_AWAY = 60.0  # seconds until the clock would wake the relay


@pytest.fixture
def context(transactional_db: None) -> RunContext:
    scan = request_scan(make_market(gaussian_bars(1500, seed=3)), trigger=Trigger.COMMAND)
    return RunContext("scan", scan.pk, services.claim("scan", scan.pk) or 0)


@pytest.fixture
def redis_server(settings: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Redis of the test's own, and make it the channel layer."""
    with own_redis() as (url, server):
        settings.CHANNEL_LAYERS = {
            "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [url]}}
        }
        channel_layers.backends = {}
        yield server
    channel_layers.backends = {}


async def next_seq(subscription: Subscription, seconds: float = 10) -> int:
    async with asyncio.timeout(seconds):
        while (frame := await subscription.queue.get())["type"] != "event":
            pass
    return int(frame["seq"])


async def watch(context: RunContext, is_woken: bool) -> tuple[Relay, Subscription]:
    """Return a relay that has begun to listen, and its subscription."""
    relay = Relay()
    subscription = relay.subscribe((context.kind, context.pk), 0)
    if is_woken:
        async with asyncio.timeout(20):
            while not relay.alarm.is_listening:
                await asyncio.sleep(0.01)
    return relay, subscription


async def emit(context: RunContext) -> None:
    await database_sync_to_async(context.emit)("note", {"text": "new"})


@pytest.mark.only_on_postgresql
@pytest.mark.postgres
async def test_a_committed_event_wakes_the_relay_at_once(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "SECONDS_BETWEEN_READS_WHEN_WOKEN", FAR_AWAY)
    relay, subscription = await watch(context, is_woken=True)
    for seq in (1, 2, 3):
        await emit(context)
        assert await next_seq(subscription) == seq
    relay.unsubscribe(subscription)


@pytest.mark.only_on_postgresql
@pytest.mark.postgres
async def test_progress_arrives_although_the_listening_connection_was_ended(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, subscription = await watch(context, is_woken=True)

    def end_listeners() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %%' "
                "AND datname = current_database()"
            )

    await database_sync_to_async(end_listeners)()
    await emit(context)
    assert await next_seq(subscription) == 1
    relay.unsubscribe(subscription)


@pytest.mark.only_on_sqlite
async def test_on_sqlite_the_clock_alone_is_enough(context: RunContext) -> None:
    relay, subscription = await watch(context, is_woken=False)
    await emit(context)
    assert await next_seq(subscription) == 1
    relay.unsubscribe(subscription)


@pytest.mark.redis
@pytest.mark.only_on_sqlite
async def test_a_channel_layer_wakes_the_relay_and_its_death_loses_nothing(
    redis_server: subprocess.Popen[bytes], context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "_layer_fails_until", float("-inf"))
    with monkeypatch.context() as patch:
        patch.setattr(wake, "SECONDS_BETWEEN_READS_WHEN_WOKEN", FAR_AWAY)
        relay, subscription = await watch(context, is_woken=True)
        for seq in (1, 2):
            await emit(context)
            assert await next_seq(subscription) == seq
    redis_server.kill()
    redis_server.wait()
    for seq in (3, 4):
        began = time.monotonic()
        await emit(context)
        assert time.monotonic() - began < 5  # the run does not wait for Redis
        assert await next_seq(subscription) == seq
    relay.unsubscribe(subscription)


@pytest.mark.only_on_sqlite  # on PostgreSQL NOTIFY is delivered at commit by its own promise
def test_nothing_wakes_before_the_transaction_has_committed(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[bool] = []
    monkeypatch.setattr(wake, "get_channel_layer", lambda: object())
    monkeypatch.setattr(wake, "_wake_by_layer", lambda: woken.append(True))
    with context.transaction():
        context.add_event("note", {})
        assert woken == []
    assert woken == [True]
