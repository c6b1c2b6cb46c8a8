"""Tells relays at once that a run has something new. Losing it costs a moment: relays also read by the clock.

PostgreSQL does it by NOTIFY, inside the run's own transaction. On SQLite, where REDIS_URL is set, the channel
layer does; without it relays read six times a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import psycopg
import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import connection, transaction

CHANNEL = "trainingday_runs"
SECONDS_BETWEEN_READS = 0.1
SECONDS_BETWEEN_READS_WHEN_WOKEN = 2.0
SECONDS_FOR_LAYER = 1.0
SECONDS_WITHOUT_LAYER = 30.0
log = structlog.get_logger(__name__)
_layer_fails_until = float("-inf")


def wake() -> None:
    """Wake every relay once the current transaction has committed; never fails."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
    elif get_channel_layer() is not None:
        transaction.on_commit(_wake_by_layer, robust=True)


def _wake_by_layer() -> None:
    global _layer_fails_until
    if time.monotonic() < _layer_fails_until:
        return
    try:
        async_to_sync(_send)()
    except Exception as error:
        # A run must not wait for Redis at each event while it is away.
        _layer_fails_until = time.monotonic() + SECONDS_WITHOUT_LAYER
        log.warning("channel layer is away", error=str(error))


async def _send() -> None:
    await asyncio.wait_for(get_channel_layer().group_send(CHANNEL, {"type": "wake"}), SECONDS_FOR_LAYER)


class Alarm:
    """What a relay waits on: the bell, if one rings, or the clock."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()
        self.is_listening = False

    def ring(self) -> None:
        self._bell.set()

    async def wait(self) -> None:
        """Return at the bell, after 2 s while somebody listens for it, after 0.1 s otherwise."""
        seconds = SECONDS_BETWEEN_READS_WHEN_WOKEN if self.is_listening else SECONDS_BETWEEN_READS
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), seconds)
        self._bell.clear()


Listener = Callable[[Alarm], Awaitable[None]]


@asynccontextmanager
async def listening(alarm: Alarm) -> AsyncIterator[None]:
    """Ring the alarm whenever some process wakes the relays, in the block; reconnects by itself."""
    listen = _listener()
    task = asyncio.create_task(_keep(listen, alarm)) if listen else None
    try:
        yield
    finally:
        if task:
            task.cancel()


def _listener() -> Listener | None:
    if connection.vendor == "postgresql":
        return _listen_to_postgresql
    return _listen_to_layer if get_channel_layer() is not None else None


async def _keep(listen: Listener, alarm: Alarm) -> None:
    while True:
        try:
            await listen(alarm)
        except Exception as error:
            log.warning("relay is not woken, it reads by the clock", error=str(error))
        alarm.is_listening = False
        alarm.ring()  # whoever waits for the bell goes by the clock from now on
        await asyncio.sleep(SECONDS_BETWEEN_READS_WHEN_WOKEN)


async def _listen_to_postgresql(alarm: Alarm) -> None:
    parameters = connection.get_connection_params()
    kept = {
        key: parameters[key] for key in ("dbname", "user", "password", "host", "port") if key in parameters
    }
    async with await psycopg.AsyncConnection.connect(**kept, autocommit=True) as listener:
        await listener.execute(f"LISTEN {CHANNEL}")
        alarm.is_listening = True
        alarm.ring()  # what came before is read now
        async for _ in listener.notifies():
            alarm.ring()


async def _listen_to_layer(alarm: Alarm) -> None:
    layer = get_channel_layer()
    name = await layer.new_channel()
    await layer.group_add(CHANNEL, name)
    alarm.is_listening = True
    alarm.ring()
    while True:
        await layer.receive(name)
        alarm.ring()
