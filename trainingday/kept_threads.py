"""Requests on threads that are kept, with their database connections.

Django gives each request under ASGI a thread of its own and ends it with the request, so each opens a database
connection anew: on SQLite that cost more than a small answer itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.db import connections

MAX_IDLE = 8
Application = Callable[[Any, Any, Any], Awaitable[None]]


class KeptThreads:
    """Runs each call of an ASGI application on a thread that no other uses meanwhile.

    As many threads as requests at a time; `MAX_IDLE` of them wait for the next.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._idle: list[ThreadPoolExecutor] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        thread = self._idle.pop() if self._idle else ThreadPoolExecutor(1, thread_name_prefix="request")
        try:
            async with ThreadSensitiveContext(executor=thread):
                await self._application(scope, receive, send)
        except BaseException:
            thread.submit(self._keep, thread)  # by the thread itself: it may still be at work
            raise
        self._keep(thread)

    def _keep(self, thread: ThreadPoolExecutor) -> None:
        if len(self._idle) < MAX_IDLE:
            self._idle.append(thread)
        else:
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)
