"""Whether those who opened sockets are still signed in: asked once for each sign-in, however many sockets it has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from channels.auth import get_user
from channels.db import database_sync_to_async
from django.contrib.sessions.backends.base import SessionBase
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from trainingday.runs.sockets import header_of

SECONDS_BETWEEN_CHECKS = 4.0  # a sign-out closes within 5 s
Close = Callable[[], Awaitable[None]]
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SignIn:
    """What a handshake bore: the header with a token, else the key of a session."""

    authorization: str
    session: tuple[type[SessionBase], str] | None

    @classmethod
    def of(cls, scope: dict[str, Any]) -> SignIn:
        session: Any = scope.get("session")
        if session is None or not session.session_key:
            return cls(header_of(scope, b"authorization"), None)
        store = type(session._wrapped if hasattr(session, "_wrapped") else session)
        return cls(header_of(scope, b"authorization"), (store, session.session_key))

    async def holds(self) -> bool:
        """Read token, or session and user, anew: they may have ended since the socket opened."""
        if self.authorization:
            return bool(await database_sync_to_async(_is_token_good)(self.authorization))
        if self.session is None:
            return False
        store, key = self.session
        user = await get_user({"session": store(key)})
        return bool(user.is_authenticated and user.is_active)


class SignIns:
    """Closes all sockets of a sign-in once it no longer holds."""

    def __init__(self) -> None:
        self._closes: dict[SignIn, set[Close]] = {}
        self._tasks: dict[SignIn, asyncio.Task[None]] = {}

    def watch(self, sign_in: SignIn, close: Close) -> None:
        self._closes.setdefault(sign_in, set()).add(close)
        task = self._tasks.get(sign_in)
        if task is None or task.done():
            self._tasks[sign_in] = asyncio.get_running_loop().create_task(self._watch(sign_in))

    def leave(self, sign_in: SignIn, close: Close) -> None:
        closes = self._closes.get(sign_in, set())
        closes.discard(close)
        if not closes:
            self._closes.pop(sign_in, None)
            if task := self._tasks.pop(sign_in, None):
                task.cancel()

    async def _watch(self, sign_in: SignIn) -> None:
        holds = True
        while holds:
            await asyncio.sleep(SECONDS_BETWEEN_CHECKS)
            try:
                holds = await sign_in.holds()
            except Exception:
                log.exception("could not ask whether a socket's user is still signed in")
        # All at once, for one that reads nothing takes its time.
        closes = [close() for close in self._closes.get(sign_in, ())]
        await asyncio.gather(*closes, return_exceptions=True)


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


sign_ins = SignIns()
