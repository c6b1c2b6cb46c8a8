"""The progress socket: snapshot, replay since a sequence number, then live."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import parse_qs

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.sessions.backends.base import SessionBase

from trainingday.exceptions import NotFound
from trainingday.runs.queries import find_run, query_events, snapshot
from trainingday.runs.relay import Subscription, event_frame, relay

UNAUTHENTICATED, BAD_MESSAGE, NO_SUCH_RUN, TOO_FAST, TOO_SLOW, UNSUPPORTED = (
    4401,
    4400,
    4404,
    4429,
    1013,
    1003,
)
MAX_SUBSCRIPTIONS = 20
MAX_MESSAGES_PER_SECOND = 20
MAX_MESSAGE_CHARACTERS = 65536
SECONDS_BETWEEN_USER_CHECKS = 5.0
SECONDS_FOR_SLOW_CLIENTS = 30.0


class RunConsumer(AsyncWebsocketConsumer):
    """Frames out: run (snapshot), event, error, pong. Frames in: subscribe, unsubscribe, ping."""

    async def connect(self) -> None:
        self.feeds: dict[str, tuple[Subscription, asyncio.Task[None]]] = {}
        self.recent: list[float] = []
        self.user_check: asyncio.Task[None] | None = None
        await self.accept()
        if not await self._is_signed_in():
            await self.close(UNAUTHENTICATED)
            return
        self.user_check = asyncio.create_task(self._watch_user())
        public_id = self.scope["url_route"]["kwargs"].get("public_id")
        if public_id:
            since = parse_qs(self.scope["query_string"].decode("latin-1")).get("since", ["0"])[0]
            if not await self._subscribe(public_id, since):
                await self.close(NO_SUCH_RUN)

    async def disconnect(self, code: int) -> None:
        if self.user_check:
            self.user_check.cancel()
        for public_id in list(self.feeds):
            self._unsubscribe(public_id)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        now = time.monotonic()
        self.recent = [moment for moment in self.recent if now - moment < 1] + [now]
        if len(self.recent) > MAX_MESSAGES_PER_SECOND:
            await self.close(TOO_FAST)
        elif text_data is None:
            await self.close(UNSUPPORTED)
        elif len(text_data) > MAX_MESSAGE_CHARACTERS:
            await self.close(1009)
        else:
            await self._handle(text_data)

    async def _handle(self, text: str) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            await self.close(BAD_MESSAGE)
            return
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "ping":
            await self._send({"type": "pong"})
        elif kind == "subscribe":
            await self._handle_subscribe(message)
        elif kind == "unsubscribe":
            self._unsubscribe(str(message.get("run")))
        else:
            await self._error("unknown_type", "type should be subscribe, unsubscribe or ping")

    async def _handle_subscribe(self, message: dict[str, Any]) -> None:
        if len(self.feeds) >= MAX_SUBSCRIPTIONS:
            await self._error("limit", f"limit {MAX_SUBSCRIPTIONS} per socket")
        elif not await self._subscribe(str(message.get("run")), message.get("since", 0)):
            await self._error("not_found", "no such run")

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
        await self._send({"type": "run", "run": snapshot(run)})
        for event in replay:
            await self._send(event_frame(event))
        replayed = replay[-1].seq if replay else start
        task = asyncio.create_task(self._feed(subscription, replayed))
        self.feeds[public_id] = (subscription, task)
        return True

    async def _feed(self, subscription: Subscription, replayed: int) -> None:
        while True:
            frame = await subscription.queue.get()
            if subscription.is_overrun:
                await self.close(TOO_SLOW)
                return
            if frame["type"] == "event" and frame["seq"] <= replayed:
                continue
            try:
                await asyncio.wait_for(self._send(frame), SECONDS_FOR_SLOW_CLIENTS)
            except TimeoutError:
                await self.close(TOO_SLOW)
                return

    def _unsubscribe(self, public_id: str) -> None:
        if feed := self.feeds.pop(public_id, None):
            relay.unsubscribe(feed[0])
            feed[1].cancel()

    async def _watch_user(self) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_USER_CHECKS)
            if not await self._is_signed_in():
                await self.close(UNAUTHENTICATED)
                return

    async def _is_signed_in(self) -> bool:
        """Read session and user anew: both may have ended since the socket opened."""
        session: SessionBase | None = self.scope.get("session")
        if session is None or not session.session_key:
            return False
        fresh = type(session._wrapped if hasattr(session, "_wrapped") else session)(session.session_key)
        user = await get_user({"session": fresh})
        return bool(user.is_authenticated and user.is_active)

    async def _error(self, code: str, message: str) -> None:
        await self._send({"type": "error", "code": code, "message": message})

    async def _send(self, frame: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps(frame))


def _valid_since(since: Any, last_seq: int) -> int:
    """Return where to replay from; anything unknown, negative or beyond the end means from the start."""
    try:
        number = int(since)
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if 0 <= number <= last_seq else 0
