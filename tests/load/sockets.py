"""`python -m tests.load.sockets`: many sockets on one run, each of which breaks off once and comes back.

Reads one JSON line: address, origin, cookies, count, and the seconds in which each breaks off. Then reads the number
of the last event, waits until every socket has it, and prints what came: latencies, lost and duplicated events.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

SECONDS_TO_CATCH_UP = 30.0


@dataclass
class Watcher:
    """One client: what it has received, over both of its connections."""

    plan: dict[str, Any]
    cookie: str
    breaks_after: float
    seqs: list[int] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    n_breaks: int = 0
    connection: ClientConnection | None = None

    @property
    def last(self) -> int:
        return max(self.seqs, default=0)

    async def watch(self) -> None:
        await self._connect_and_read(self.breaks_after)
        self.n_breaks += 1
        await self._connect_and_read(None)

    async def _connect_and_read(self, seconds: float | None) -> None:
        async with connect(
            f"{self.plan['address']}?since={self.last}",
            origin=self.plan["origin"],
            additional_headers={"Cookie": self.cookie},
            open_timeout=60,
            compression=None,
        ) as connection:
            opened = time.time()
            try:
                async with asyncio.timeout(seconds):
                    async for text in connection:
                        self._take(json.loads(text), opened)
            except TimeoutError:
                connection.transport.abort()  # as a network does: no goodbye

    def _take(self, frame: dict[str, Any], opened: float) -> None:
        if frame["type"] != "event":
            return
        self.seqs.append(frame["seq"])
        if frame["payload"]["sent"] > opened:  # what is older was replayed
            self.latencies.append(time.time() - frame["payload"]["sent"])


async def main() -> None:
    loop = asyncio.get_running_loop()
    plan = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    chance = random.Random(1)
    cookies = plan["cookies"]
    watchers = [
        Watcher(plan, cookies[number % len(cookies)], chance.uniform(0.2, 1.0) * plan["break_within"])
        for number in range(plan["count"])
    ]
    tasks = [asyncio.create_task(watcher.watch()) for watcher in watchers]
    while not all(watcher.seqs for watcher in watchers):
        await asyncio.sleep(0.1)
        fail_early(tasks)
    print("watching", flush=True)
    last = int(await loop.run_in_executor(None, sys.stdin.readline))
    deadline = time.monotonic() + SECONDS_TO_CATCH_UP
    while any(watcher.last < last for watcher in watchers) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    fail_early(tasks)
    print(json.dumps(told(watchers, last)))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def fail_early(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done() and (error := task.exception()):
            raise error


def told(watchers: list[Watcher], last: int) -> dict[str, Any]:
    wanted = set(range(1, last + 1))
    return {
        "n_events": last,
        "n_received": sum(len(watcher.seqs) for watcher in watchers),
        "n_reconnected": sum(watcher.n_breaks for watcher in watchers),
        "n_lost": sum(len(wanted - set(watcher.seqs)) for watcher in watchers),
        "n_duplicated": sum(len(watcher.seqs) - len(set(watcher.seqs)) for watcher in watchers),
        "latencies": [round(value, 4) for watcher in watchers for value in watcher.latencies],
    }


if __name__ == "__main__":
    asyncio.run(main())
