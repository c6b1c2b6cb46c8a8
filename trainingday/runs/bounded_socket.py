"""uvicorn's WebSocket protocol, cutting off a client that does not read.

uvicorn waits for a client without end: to write the next frame, and, once a socket is closed, to flush what was
written. A client that stopped reading would so keep its socket, its buffers and its feeds for good. It cannot see
a close code either, so its connection is simply dropped.
"""

from __future__ import annotations

from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

SECONDS_UNREAD = 30.0
SECONDS_TO_FLUSH = 10.0


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """Drops a connection whose full buffer is not read for 30 s, or that a closing frame does not leave in 10 s."""

    _cut_off: TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._cut_off_in(SECONDS_UNREAD)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.close_sent:
            self._stay()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._cut_off_in(SECONDS_TO_FLUSH)

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.close":
            self._cut_off_in(SECONDS_TO_FLUSH)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stay()
        super().connection_lost(exc)

    def _cut_off_in(self, seconds: float) -> None:
        self._stay()
        self._cut_off = self.loop.call_later(seconds, self.transport.abort)

    def _stay(self) -> None:
        if self._cut_off is not None:
            self._cut_off.cancel()
            self._cut_off = None
