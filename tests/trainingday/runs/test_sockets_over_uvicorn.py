"""The progress socket through a real uvicorn, as `up` starts it: what a test client inside the process cannot show."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.trainingday.runs.test_consumers import signed_in_cookie
from trainingday.runs.management.commands.up import Command

pytestmark = [pytest.mark.slow, pytest.mark.only_on_sqlite]
START_SECONDS = 90


@pytest.fixture
def port(child_database: None) -> Iterator[int]:
    """Serve this test's database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    server = subprocess.Popen(Command._web("127.0.0.1", number).command, env=environment)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{number}/healthz", timeout=5).read()
            break
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline, "the server did not start"
    yield number
    server.terminate()
    server.wait(20)


def test_each_row_of_the_cases(port: int, make_user: Callable[[str], User]) -> None:
    """One server for all rows: starting it costs more than the rows."""
    session = signed_in_cookie(make_user("viewer"))
    cookie = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"}
    here = f"http://127.0.0.1:{port}"
    address = f"ws://127.0.0.1:{port}/ws/runs/"

    def open_socket(origin: str | None = here, headers: dict[str, str] | None = None) -> ClientConnection:
        return connect(address, origin=origin, additional_headers=cookie if headers is None else headers)

    def closed_with(opened: ClientConnection) -> int:
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                opened.recv(timeout=30)
        return int(caught.value.rcvd.code) if caught.value.rcvd else 1006

    refused = [None, "null", "http://elsewhere", f"http://127.0.0.1:{port + 1}", f"https://127.0.0.1:{port}"]
    for origin in [*refused, f"javascript://127.0.0.1:{port}", "javascript://127.0.0.1"]:
        with pytest.raises(InvalidStatus) as caught:
            open_socket(origin)
        assert caught.value.response.status_code == 403, origin

    assert closed_with(open_socket(headers={})) == 4401
    for message, code in (("{", 4400), (b"binary", 1003), ("x" * 70_000, 1009)):
        with open_socket() as opened:
            opened.send(message)
            assert closed_with(opened) == code, str(message)[:20]

    with open_socket() as opened:
        for text in ('{"type": "dance"}', "{}"):
            opened.send(text)
            assert json.loads(opened.recv(timeout=30))["code"] == "unknown_type"
        opened.send('{"type": "ping"}')
        assert json.loads(opened.recv(timeout=30)) == {"type": "pong"}

    with open_socket() as opened:
        for _ in range(21):
            opened.send('{"type": "ping"}')
        assert closed_with(opened) == 4429

    with open_socket() as opened:
        began = time.monotonic()
        SessionStore(session).delete()
        assert closed_with(opened) == 4401
        assert time.monotonic() - began < 5.0 + 2.0  # two seconds for a busy machine
    assert Client().get("/schedules/", HTTP_COOKIE=cookie["Cookie"]).status_code == 302
