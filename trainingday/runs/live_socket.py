"""What every socket of the product shares: sign-in, limits, error frames and feeds that cannot pile up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.sessions.backends.base import SessionBase
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from trainingday.runs.sockets import header_of

UNAUTHENTICATED, BAD_MESSAGE, NOT_FOUND, TOO_FAST = 4401, 4400, 4404, 4429
UNSUPPORTED, TOO_BIG, TOO_SLOW = 1003, 1009, 1013
QUEUE_SIZE = 500
MAX_MESSAGES_PER_SECOND = 20
MAX_MESSAGE_CHARACTERS = 65536
SECONDS_BETWEEN_USER_CHECKS = 4.0  # a sign-out closes within 5 s
Frame = dict[str, Any]


@dataclass(eq=False)
class Feed:
    """A bounded queue of frames for one socket. `is_overrun` says that the socket reads too slowly."""

    queue: asyncio.Queue[Frame] = field(default_factory=lambda: asyncio.Queue(QUEUE_SIZE))
    is_overrun: bool = False

    def push(self, frame: Frame) -> None:
        try:
            self.queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.is_overrun = True


class LiveSocket(AsyncWebsocketConsumer):
    """A socket for signed-in users: JSON objects with a `type`, in and out.

    A subclass overrides `opened`, `handle` and `closed`, and hands what arrives later to `follow`.
    A client that reads nothing at all is cut off by the server, see bounded_socket.py: then sending raises OSError.
    """

    types: ClassVar[tuple[str, ...]] = ("ping",)
    # Frames come from feeds. A consumer of a channel layer would end with it when Redis goes away.
    channel_layer_alias = "none"

    async def opened(self) -> None:
        """Called once the user is known to be signed in."""

    async def handle(self, kind: str, message: Frame) -> None:
        """Answer a message whose type is one of `types`; "ping" is answered before."""

    def closed(self) -> None:
        """Called when the socket has closed; feeds end by themselves."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._recent: list[float] = []
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            await super().__call__(scope, receive, send)
        finally:  # also where a send failed, which no disconnect follows
            for task in self._tasks:
                task.cancel()
            self.closed()

    async def connect(self) -> None:
        await self.accept()
        if not await self._is_signed_in():
            await self.close(UNAUTHENTICATED)
            return
        self._tasks.add(asyncio.create_task(self._watch_user()))
        await self.opened()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        now = time.monotonic()
        self._recent = [moment for moment in self._recent if now - moment < 1] + [now]
        if len(self._recent) > MAX_MESSAGES_PER_SECOND:
            await self.close(TOO_FAST)
        elif text_data is None:
            await self.close(UNSUPPORTED)
        elif len(text_data) > MAX_MESSAGE_CHARACTERS:
            await self.close(TOO_BIG)
        else:
            await self._receive(text_data)

    async def _receive(self, text: str) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            await self.close(BAD_MESSAGE)
            return
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "ping":
            await self.send_frame({"type": "pong"})
        elif kind in self.types:
            await self.handle(kind, message)
        else:
            await self.send_error("unknown_type", f"type should be one of {', '.join(self.types)}")

    def follow(self, feed: Feed, is_new: Callable[[Frame], bool] = lambda frame: True) -> asyncio.Task[None]:
        """Send what is pushed to the feed and is new, until the returned task is cancelled or the socket closes.

        A client that reads too slowly is closed with 1013: its feed overran.
        """
        task = asyncio.create_task(self._follow(feed, is_new))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _follow(self, feed: Feed, is_new: Callable[[Frame], bool]) -> None:
        with contextlib.suppress(OSError):
            await self._pass_on(feed, is_new)

    async def _pass_on(self, feed: Feed, is_new: Callable[[Frame], bool]) -> None:
        while True:
            frame = await feed.queue.get()
            if feed.is_overrun:
                await self.close(TOO_SLOW)
                return
            if is_new(frame):
                await self.send_frame(frame)

    async def _watch_user(self) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_USER_CHECKS)
            if not await self._is_signed_in():
                with contextlib.suppress(OSError):
                    await self.close(UNAUTHENTICATED)
                return

    async def _is_signed_in(self) -> bool:
        """Read token, or session and user, anew: they may have ended since the socket opened."""
        if given := header_of(self.scope, b"authorization"):
            return bool(await database_sync_to_async(_is_token_good)(given))
        session: SessionBase | None = self.scope.get("session")
        if session is None or not session.session_key:
            return False
        fresh = type(session._wrapped if hasattr(session, "_wrapped") else session)(session.session_key)
        user = await get_user({"session": fresh})
        return bool(user.is_authenticated and user.is_active)

    async def send_error(self, code: str, message: str) -> None:
        await self.send_frame({"type": "error", "code": code, "message": message})

    async def send_frame(self, frame: Frame) -> None:
        await self.send(text_data=json.dumps(frame))


def _is_token_good(authorization: str) -> bool:
    """Return whether an Authorization header holds an API token that still holds, of an active user."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "token" or not token.isascii():
        return False
    try:
        user, _ = TokenAuthentication().authenticate_credentials(token.strip().encode())
    except AuthenticationFailed:
        return False
    return bool(user.is_active)
