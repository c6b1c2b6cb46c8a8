"""A live uvicorn server on a SQLite file of its own, and a hand that writes to its database."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# Another process than the server's, as a worker's child is: reads a line of JSON with code, runs it, and
# answers with a line of JSON, the code's `answer`.
HAND = """
import json, sys
import django
django.setup()
import numpy as np
from django.db import transaction
from django.utils import timezone
from tests import pages
from sessions.models import *
from trainingday.markets.models import *
from trainingday.runs.models import *
for line in sys.stdin:
    names = dict(globals(), answer=None)
    exec(json.loads(line), names)
    print(json.dumps(names["answer"]), flush=True)
"""


@dataclass(frozen=True)
class Site:
    """The server's address, `do`: runs Python against its database and returns its `answer`, and what it runs in."""

    url: str
    do: Callable[[str], Any]
    environment: dict[str, str]


@contextmanager
def serve(home: Path) -> Iterator[Site]:
    """Serve the product from a folder: its database is made there, or brought up to date."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "trainingday.settings",
        "TRAININGDAY_ENV_FILE": os.devnull,
        "TRAININGDAY_LOCAL": "true",
        "TRAININGDAY_HOME": str(home),
        "TRAININGDAY_ARTIFACT_KEYS": "test:" + "ab" * 32,
        "DATABASE_URL": f"sqlite:///{home / 'browser.sqlite3'}",
        "SECRET_KEY": "tests-only-" + "x" * 60,
        "PYTHONPATH": str(ROOT),
    }

    def start(*arguments: str, **streams: Any) -> subprocess.Popen[Any]:
        return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, **streams)

    def do(code: str) -> Any:
        hand.stdin.write(json.dumps(code) + "\n")
        hand.stdin.flush()
        answer = hand.stdout.readline()
        assert answer, "the process that writes to the database has died; its traceback is above"
        return json.loads(answer)

    assert start("manage.py", "migrate", "--verbosity", "0").wait() == 0
    hand = start("-c", HAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (home / "server.log").open("wb")
    command = ["-m", "uvicorn", "trainingday.asgi:application", "--port", str(port), "--log-level", "warning"]
    server = start(*command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url, server, home / "server.log")
        yield Site(url, do, environment)
    finally:
        server.terminate()
        hand.stdin.close()
        server.wait(20)
        hand.wait(20)
        log.close()


def _wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=2).read()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")


def log_in(page: Any, site: Site, name: str) -> None:
    page.goto(f"{site.url}/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(site.do("answer = pages.PASSWORD"))
    page.locator("main").get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{site.url}/")
