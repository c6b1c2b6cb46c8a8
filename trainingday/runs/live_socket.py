"""What every socket of the product shares: sign-in, limits, error frames and feeds that cannot pile up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from channels.generic.websocket import AsyncWebsocketConsumer

from trainingday.runs.sign_ins import SignIn, sign_ins

UNAUTHENTICATED, BAD_MESSAGE, NOT_FOUND, TOO_FAST = 4401, 4400, 4404, 4429
UNSUPPORTED, TOO_BIG, TOO_SLOW = 1003, 1009, 1013
QUEUE_SIZE = 500
MAX_MESSAGES_PER_SECOND = 20
MAX_MESSAGE_CHARACTERS = 65536
Frame = dict[str, Any]


class SharedFrame(dict[str, Any]):
    """A frame that goes to many sockets: its JSON is made once."""

    @cached_property
    def text(self) -> str:
        return json.dumps(self)


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
        self._sign_in = SignIn.of(scope)
        try:
            await super().__call__(scope, receive, send)
        finally:  # also where a send failed, which no disconnect follows
            sign_ins.leave(self._sign_in, self._sign_out)
            for task in self._tasks:
                task.cancel()
            self.closed()

    async def connect(self) -> None:
        await self.accept()
        if not await self._sign_in.holds():
            await self._sign_out()
            return
        sign_ins.watch(self._sign_in, self._sign_out)
        await self.opened()

    async def _sign_out(self) -> None:
        await self.close(UNAUTHENTICATED)

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

    async def send_error(self, code: str, message: str) -> None:
        await self.send_frame({"type": "error", "code": code, "message": message})

    async def send_frame(self, frame: Frame) -> None:
        await self.send(text_data=frame.text if isinstance(frame, SharedFrame) else json.dumps(frame))
