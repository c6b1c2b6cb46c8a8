"""Turns: what would only get in each other's way begins one after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager


class Turns:
    """Blocks begin in the order in which they came: each when the one before has ended, or after `seconds` of it.

    What is short so runs undisturbed, and what is long holds nobody up.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = asyncio.Semaphore(1)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        await self._next.acquire()
        with ExitStack() as once:
            once.callback(self._next.release)
            timer = asyncio.get_running_loop().call_later(self._seconds, once.close)
            try:
                yield
            finally:
                timer.cancel()
