"""Requests answered whole on one thread: what Django's own handler gives, from one call on one thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.decorators import login_not_required
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished, request_started
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

from trainingday.kept_threads import KeptThreads
from trainingday.whole_requests import WholeRequests

SECONDS = 20.0
seen: list[tuple[str, int]] = []
is_over = threading.Event()


def here(what: str) -> None:
    seen.append((what, threading.get_ident()))


@login_not_required
def echo(request: HttpRequest) -> HttpResponse:
    here("view")
    response = HttpResponse(request.body + request.path.encode(), status=203)
    response.set_cookie("kept", "yes")
    return response


@login_not_required
def fail(request: HttpRequest) -> HttpResponse:
    raise ValueError("as views do")


@login_not_required
def wait(request: HttpRequest) -> HttpResponse:
    is_over.wait(SECONDS)
    return HttpResponse("waited")


@login_not_required
def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"piece"
                await asyncio.sleep(0)
        finally:
            here("stream ended")

    async def few() -> AsyncIterator[bytes]:
        yield b"one,"
        yield b"two"

    return StreamingHttpResponse(few() if request.GET else pieces())


async def _async_answer(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse("async")


def handler500(request: HttpRequest) -> HttpResponse:
    return HttpResponse("sorry", status=500)


urlpatterns = [
    path("echo", echo),
    path("fail", fail),
    path("wait", wait),
    path("stream", stream),
    path("async", login_not_required(_async_answer)),
]
here_urls = override_settings(
    ROOT_URLCONF=__name__, MIDDLEWARE=["django.middleware.common.CommonMiddleware"], ALLOWED_HOSTS=["site"]
)


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    seen.clear()
    is_over.clear()
    with here_urls:
        yield
    is_over.set()


def ask(site: Any, target: str, body: bytes = b"") -> ApplicationCommunicator:
    address, _, query = target.partition("?")
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST" if body else "GET", "path": address,
        "query_string": query.encode(), "headers": [(b"host", b"site"), (b"content-length", b"%d" % len(body))],
    }  # fmt: skip
    return ApplicationCommunicator(site, scope)


async def answer(site: Any, target: str, body: bytes = b"") -> tuple[int, dict[bytes, bytes], bytes]:
    asked = ask(site, target, body)
    for number, piece in enumerate(pieces := [body[:3], body[3:]]):
        await asked.send_input({"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1})
    start = await asked.receive_output(SECONDS)
    text = b""
    while True:
        message = await asked.receive_output(SECONDS)
        text += message.get("body", b"")
        if not message.get("more_body"):
            break
    await asked.wait(SECONDS)
    return start["status"], dict(start["headers"]), text


@pytest.mark.parametrize("target", ["/echo", "/fail", "/nothing", "/async", "/stream?few=1"])
async def test_an_answer_is_what_djangos_own_handler_gives(target: str) -> None:
    body = b"a body in two pieces" if target == "/echo" else b""
    assert await answer(KeptThreads(WholeRequests()), target, body) == await answer(
        ASGIHandler(), target, body
    )


async def test_a_request_stays_on_one_thread_from_its_first_signal_to_its_last() -> None:
    def started(**kwargs: object) -> None:
        here("started")

    def finished(**kwargs: object) -> None:
        here("finished")

    request_started.connect(started)
    request_finished.connect(finished)
    try:
        await answer(KeptThreads(WholeRequests()), "/echo")
    finally:
        request_started.disconnect(started)
        request_finished.disconnect(finished)
    assert [what for what, _ in seen] == ["started", "view", "finished"]
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] != threading.get_ident()


async def test_a_long_request_holds_up_no_other() -> None:
    site = KeptThreads(WholeRequests())
    long = asyncio.create_task(answer(site, "/wait"))
    await asyncio.sleep(0)
    assert (await answer(site, "/echo"))[2] == b"/echo"
    assert not long.done()
    is_over.set()
    assert (await long)[2] == b"waited"


async def test_a_client_that_sends_its_body_slowly_holds_up_no_other() -> None:
    site = KeptThreads(WholeRequests())
    slow = ask(site, "/echo", b"slow")
    await slow.send_input({"type": "http.request", "body": b"sl", "more_body": True})
    assert (await answer(site, "/echo"))[0] == 203
    await slow.send_input({"type": "http.disconnect"})
    await slow.wait(SECONDS)


async def test_a_stream_ends_with_its_client() -> None:
    asked = ask(KeptThreads(WholeRequests()), "/stream")
    await asked.send_input({"type": "http.request"})
    await asked.receive_output(SECONDS)
    assert (await asked.receive_output(SECONDS))["body"] == b"piece"
    await asked.send_input({"type": "http.disconnect"})
    await asked.wait(SECONDS)
    assert [what for what, _ in seen] == ["stream ended"]
