"""What a cluster's process does for one run, and the button that stops it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.browser.server import ROOT, Site

SECONDS_TO_STOP = 5.0
SUPERVISE = """
import sys, django
django.setup()
from trainingday.runs.supervisor import supervise
supervise(sys.argv[1], int(sys.argv[2]))
"""


@contextmanager
def worker(site: Site, kind: str, pk: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Supervise a run in a child of its own, as a cluster does."""
    command = [sys.executable, "-c", SUPERVISE, kind, str(pk)]
    process = subprocess.Popen(command, cwd=ROOT, env=site.environment | environment)
    try:
        yield process
    finally:
        process.kill()


def cancel(page: Any) -> float:
    """Press Cancel, say yes, and return the seconds until the page, without a reload, says that it ended."""
    page.once("dialog", lambda dialog: dialog.accept())
    began = time.monotonic()
    page.get_by_role("button", name="Cancel").click()
    page.locator('[data-live="state"]', has_text="cancelled").wait_for()
    return time.monotonic() - began
