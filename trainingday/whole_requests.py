"""Requests answered whole on one thread.

Django's own ASGI handler goes back and forth between the event loop and a request's thread at each signal, at the
middleware and at the view; each way costs a change of threads, and under load a wait for the interpreter. On SQLite,
threads that read at once cost each other about as much again: it gives the interpreter away at every row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.core.signals import request_started
from django.db import connection
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from trainingday.turns import Turns

SECONDS_ALONE = 0.05
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class WholeRequests(ASGIHandler):
    """Reads a request, answers it in one call on its thread, and sends what came of it.

    On SQLite, requests take turns, each beside those that take longer than 50 ms. What streams is sent piece by
    piece, until its client leaves.
    """

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._turn = Turns(SECONDS_ALONE).turn if connection.vendor == "sqlite" else nullcontext

    async def handle(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
            async with self._turn():
                response = await sync_to_async(self._answer)(scope, body)
            if response.streaming:
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)

    def _answer(self, scope: Any, body: Any) -> HttpResponseBase:
        """Return the response; one that does not stream is closed already, which ends the request for Django."""
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=self.__class__, scope=scope)
        request, refused = self.create_request(scope, body)
        response: HttpResponseBase = self.get_response(request) if request else refused  # type: ignore[assignment]
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if not response.streaming:
            response.close()
        return response

    async def _stream(self, response: HttpResponseBase, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self.send_response(response, send))
        leaving = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await sync_to_async(response.close)()
