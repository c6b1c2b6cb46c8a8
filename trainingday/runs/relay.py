"""The relay: one task per ASGI process that tails committed events and fans them out to sockets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog
from channels.db import database_sync_to_async
from django.db.models import Q

from trainingday.runs.kinds import get_kind
from trainingday.runs.live_socket import Feed, SharedFrame
from trainingday.runs.models import RunEvent
from trainingday.runs.queries import snapshot
from trainingday.runs.wake import Alarm, listening

MIN_SECONDS_BETWEEN_READS = 0.05  # however often it is woken
MAX_EVENTS_PER_READ = 500
RunKey = tuple[str, int]
log = structlog.get_logger(__name__)


@dataclass(eq=False, kw_only=True)
class Subscription(Feed):
    """One socket's interest in one run."""

    key: RunKey


def event_frame(event: RunEvent) -> dict[str, Any]:
    return {
        "type": "event",
        "run": f"{event.run_kind}-{event.run_pk}",
        "seq": event.seq,
        "kind": event.kind,
        "payload": event.payload,
        "at": event.created_at.isoformat(),
    }


class Relay:
    """Reads new events of the watched runs when it is woken, and by the clock, however many sockets watch.

    Each run has one writer, so its seq numbers commit in order and no event can be skipped.
    """

    def __init__(self) -> None:
        self._subscriptions: dict[RunKey, set[Subscription]] = {}
        self._positions: dict[RunKey, int] = {}
        self._snapshots: dict[RunKey, dict[str, Any]] = {}
        self._task: asyncio.Task[None] | None = None
        self.alarm = Alarm()

    def subscribe(self, key: RunKey, last_seq: int) -> Subscription:
        """Start to watch a run whose events up to `last_seq` the caller reads itself."""
        subscription = Subscription(key=key)
        self._subscriptions.setdefault(key, set()).add(subscription)
        self._positions.setdefault(key, last_seq)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._tail())
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        watchers = self._subscriptions.get(subscription.key, set())
        watchers.discard(subscription)
        if not watchers:
            for table in (self._subscriptions, self._positions, self._snapshots):
                table.pop(subscription.key, None)

    async def _tail(self) -> None:
        self.alarm = alarm = Alarm()
        async with listening(alarm):
            while self._subscriptions:
                try:
                    events, snapshots = await database_sync_to_async(self._read)(dict(self._positions))
                    self._fan_out(events, snapshots)
                except Exception:
                    log.exception("relay could not read")
                    await asyncio.sleep(2)
                await asyncio.sleep(MIN_SECONDS_BETWEEN_READS)
                await alarm.wait()

    def _read(self, positions: dict[RunKey, int]) -> tuple[list[RunEvent], dict[RunKey, dict[str, Any]]]:
        if not positions:
            return [], {}
        wanted = Q(pk__in=[])
        pks: dict[str, list[int]] = {}
        for (kind, pk), seq in positions.items():
            wanted |= Q(run_kind=kind, run_pk=pk, seq__gt=seq)
            pks.setdefault(kind, []).append(pk)
        # Snapshots first: a terminal state is then never shown before the events that led to it are read.
        snapshots = {
            (kind, run.pk): snapshot(run)
            for kind, numbers in pks.items()
            for run in get_kind(kind).model_class._default_manager.filter(pk__in=numbers)
        }
        events = RunEvent.objects.filter(wanted).order_by("run_kind", "run_pk", "seq")[:MAX_EVENTS_PER_READ]
        return list(events), snapshots

    def _fan_out(self, events: list[RunEvent], snapshots: dict[RunKey, dict[str, Any]]) -> None:
        for event in events:
            key = (event.run_kind, event.run_pk)
            if key in self._positions:
                self._positions[key] = max(self._positions[key], event.seq)
            frame = SharedFrame(event_frame(event))
            for subscription in self._subscriptions.get(key, ()):
                subscription.push(frame)
        for key, state in snapshots.items():
            if self._snapshots.get(key) != state:
                self._snapshots[key] = state
                shown = SharedFrame(type="run", run=state)
                for subscription in self._subscriptions.get(key, ()):
                    subscription.push(shown)


relay = Relay()
