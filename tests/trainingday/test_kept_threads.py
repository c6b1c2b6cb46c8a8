"""Requests on kept threads: one after another on the same, at once on different ones, and few that idle."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async

from trainingday.kept_threads import MAX_IDLE, KeptThreads

SECONDS = 20.0


class Site:
    """An application whose requests do `work` on their thread, and remember which one it was."""

    def __init__(self, work: Callable[[], object] = lambda: None) -> None:
        self.work = work
        self.threads: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await sync_to_async(self._answer)()

    def _answer(self) -> None:
        self.threads.append(threading.get_ident())
        self.work()


async def request(application: KeptThreads) -> None:
    await application({"type": "http"}, None, None)


async def until_idle(application: KeptThreads, n: int) -> None:
    async with asyncio.timeout(SECONDS):
        while len(application._idle) != n:
            await asyncio.sleep(0)


async def test_one_request_after_another_runs_on_the_same_thread() -> None:
    site = Site()
    application = KeptThreads(site)
    for _ in range(3):
        await request(application)
        await until_idle(application, 1)
    assert len(set(site.threads)) == 1
    assert site.threads[0] != threading.get_ident()


async def test_requests_at_once_run_on_threads_of_their_own_and_few_are_kept() -> None:
    n = MAX_IDLE + 3
    together = threading.Barrier(n)
    site = Site(lambda: together.wait(SECONDS))
    application = KeptThreads(site)
    await asyncio.gather(*(request(application) for _ in range(n)))
    assert len(set(site.threads)) == n
    await until_idle(application, MAX_IDLE)


async def test_a_thread_at_work_for_a_client_that_has_gone_is_given_to_nobody() -> None:
    is_over = threading.Event()
    site = Site(lambda: is_over.wait(SECONDS))
    application = KeptThreads(site)
    gone = asyncio.create_task(request(application))
    while not site.threads:
        await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert application._idle == []
    site.work = lambda: None
    await request(application)
    assert len(set(site.threads)) == 2
    await until_idle(application, 1)
    is_over.set()
    await until_idle(application, 2)


async def test_a_request_that_fails_gives_its_thread_back() -> None:
    def fail() -> None:
        raise ValueError("as views do")

    application = KeptThreads(Site(fail))
    (answer,) = await asyncio.gather(request(application), return_exceptions=True)
    assert isinstance(answer, ValueError)
    await until_idle(application, 1)
