"""A live uvicorn server on a SQLite file of its own, and a headless Chromium."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.pages import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
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
    """The server's address, and `do`: runs Python against its database and returns its `answer`."""

    url: str
    do: Callable[[str], Any]


def missing(what: str) -> None:
    """Skip on a developer's machine; in CI a browser that is not there is a failure."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("Chromium is not installed: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("the package playwright is not installed")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
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
        wait_until_up(url, server, home / "server.log")
        yield Site(url, do)
    finally:
        server.terminate()
        hand.stdin.close()
        server.wait(20)
        hand.wait(20)
        log.close()


def wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=2).read()
            return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh browser window; any console error or uncaught exception fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(15_000)
    window = context.new_page()
    faults: list[str] = []
    window.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    window.on("pageerror", lambda error: faults.append(str(error)))
    yield window
    context.close()
    assert faults == []


def log_in(page: Any, site: Site, name: str) -> None:
    page.goto(f"{site.url}/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{site.url}/")
