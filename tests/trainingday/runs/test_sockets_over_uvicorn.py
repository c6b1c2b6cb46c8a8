"""The progress socket through a real uvicorn, as `up` starts it: what a test client inside the process cannot show."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from patterns.models import PatternScan
from tests.conftest import make_market
from tests.crashes.test_sweep import tell
from tests.markets import gaussian_bars
from tests.trainingday.runs.test_consumers import signed_in_cookie
from trainingday.markets.models import Dataset
from trainingday.runs import bounded_socket
from trainingday.runs.management.commands.up import Command
from trainingday.runs.models import RunEvent

pytestmark = [pytest.mark.slow, pytest.mark.only_on_sqlite]
START_SECONDS = 90


# Tells uvicorn's own entry that 2 s are enough to call a client silent.
HURRIED = """
from trainingday.runs import bounded_socket
from uvicorn.main import main
bounded_socket.SECONDS_UNREAD = 2.0
main()
"""


@pytest.fixture
def port(child_database: None) -> Iterator[int]:
    """Serve this test's database, as `up` does."""
    with serving(lambda command: command) as (number, _):
        yield number


@contextmanager
def serving(change: Callable[[list[str]], list[str]]) -> Iterator[tuple[int, psutil.Process]]:
    """Return the port and the process of a server, started by the command of `up` after a change."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    server = subprocess.Popen(change(Command._web("127.0.0.1", number).command), env=environment)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{number}/healthz", timeout=5).read()
            break
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline, "the server did not start"
    try:
        yield number, psutil.Process(server.pid)
    finally:
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


def test_a_client_that_never_reads_is_cut_off(child_database: None, make_user: Callable[[str], User]) -> None:
    """It is sent more than any buffer takes, in frames of the replay, and answers nothing."""
    scan = PatternScan.objects.create(
        market=make_market(gaussian_bars(400, seed=1)), dataset=Dataset.objects.get(), seed=1
    )
    RunEvent.objects.bulk_create(
        RunEvent(run_kind="scan", run_pk=scan.pk, seq=seq, kind="note", payload={"text": "x" * 50_000})
        for seq in range(1, 401)
    )
    cookie = f"{settings.SESSION_COOKIE_NAME}={signed_in_cookie(make_user('viewer'))}"
    is_real = bool(os.environ.get("REAL_WAITS"))
    limit = bounded_socket.SECONDS_UNREAD if is_real else 2.0
    with serving(lambda command: command if is_real else [command[0], "-c", HURRIED, *command[3:]]) as (
        port, server,
    ):  # fmt: skip
        client = socket.create_connection(("127.0.0.1", port))
        mine = client.getsockname()[1]
        client.sendall(
            f"GET /ws/runs/{scan.public_id}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Origin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Cookie: {cookie}\r\n\r\n".encode()
        )
        assert client.recv(12) == b"HTTP/1.1 101"  # and nothing more, ever
        began = time.monotonic()

        def is_held() -> bool:
            return any(each.raddr and each.raddr.port == mine for each in server.net_connections("tcp"))

        assert is_held()
        while is_held():
            assert time.monotonic() - began < limit + 20
            threading.Event().wait(0.2)
        seconds = time.monotonic() - began
        assert seconds > limit * 0.9
        client.close()
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).status == 200
    tell(f"a client that never reads: freed after {seconds:.1f} s, limit {limit} s")
