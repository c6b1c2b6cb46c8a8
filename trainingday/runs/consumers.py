"""The progress socket: snapshot, replay since a sequence number, then live."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar
from urllib.parse import parse_qs

from channels.db import database_sync_to_async

from trainingday.exceptions import NotFound
from trainingday.runs.live_socket import NOT_FOUND, Frame, LiveSocket
from trainingday.runs.queries import find_run, query_events, snapshot
from trainingday.runs.relay import Subscription, event_frame, relay

MAX_SUBSCRIPTIONS = 20


class RunConsumer(LiveSocket):
    """Frames out: run (snapshot), event, error, pong. Frames in: subscribe, unsubscribe, ping."""

    types: ClassVar[tuple[str, ...]] = ("subscribe", "unsubscribe", "ping")

    async def opened(self) -> None:
        public_id = self.scope["url_route"]["kwargs"].get("public_id")
        if public_id:
            since = parse_qs(self.scope["query_string"].decode("latin-1")).get("since", ["0"])[0]
            if not await self._subscribe(public_id, since):
                await self.close(NOT_FOUND)

    def closed(self) -> None:
        for public_id in list(self._feeds):
            self._unsubscribe(public_id)

    async def handle(self, kind: str, message: Frame) -> None:
        public_id = str(message.get("run"))
        if kind == "unsubscribe":
            self._unsubscribe(public_id)
        elif len(self._feeds) >= MAX_SUBSCRIPTIONS and public_id not in self._feeds:
            await self.send_error("limit", f"limit {MAX_SUBSCRIPTIONS} per socket")
        elif not await self._subscribe(public_id, message.get("since", 0)):
            await self.send_error("not_found", "no such run")

    @property
    def _feeds(self) -> dict[str, tuple[Subscription, asyncio.Task[None]]]:
        feeds: dict[str, tuple[Subscription, asyncio.Task[None]]] = self.__dict__.setdefault("feeds", {})
        return feeds

    async def _subscribe(self, public_id: str, since: Any) -> bool:
        try:
            run = await database_sync_to_async(find_run)(public_id)
        except NotFound:
            return False
        self._unsubscribe(public_id)
        last_seq = await database_sync_to_async(
            lambda: query_events(run).order_by("-seq").values_list("seq", flat=True).first()
        )()
        start = _valid_since(since, last_seq or 0)
        # Subscribe before the replay is read, so that nothing falls between; the feed drops what was replayed.
        subscription = relay.subscribe((run.kind, run.pk), last_seq or 0)
        replay = await database_sync_to_async(lambda: list(query_events(run, start)))()
        await self.send_frame({"type": "run", "run": snapshot(run)})
        for event in replay:
            await self.send_frame(event_frame(event))
        replayed = replay[-1].seq if replay else start
        task = self.follow(subscription, lambda frame: frame["type"] != "event" or frame["seq"] > replayed)
        self._feeds[public_id] = (subscription, task)
        return True

    def _unsubscribe(self, public_id: str) -> None:
        if feed := self._feeds.pop(public_id, None):
            relay.unsubscribe(feed[0])
            feed[1].cancel()


def _valid_since(since: Any, last_seq: int) -> int:
    """Return where to replay from; anything unknown, negative or beyond the end means from the start."""
    try:
        number = int(since)
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if 0 <= number <= last_seq else 0
