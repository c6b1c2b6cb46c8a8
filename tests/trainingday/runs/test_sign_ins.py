"""Sign-ins of sockets: one question for each, and all its sockets close once it no longer holds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from trainingday.runs import sign_ins
from trainingday.runs.sign_ins import SignIn, SignIns

SECONDS = 20.0


@dataclass(frozen=True)
class Pretended(SignIn):
    """A sign-in that holds until it is told otherwise, and counts who asks."""

    authorization: str
    session: None = None
    ended: list[bool] = field(default_factory=list, compare=False)
    asked: list[str] = field(default_factory=list, compare=False)
    faults: list[Exception] = field(default_factory=list, compare=False)

    async def holds(self) -> bool:
        self.asked.append(self.authorization)
        if self.faults:
            raise self.faults.pop()
        return not self.ended


class Socket:
    def __init__(self) -> None:
        self.is_closed = asyncio.Event()

    async def close(self) -> None:
        self.is_closed.set()


class Stuck(Socket):
    """Reads nothing, so that closing it never ends."""

    async def close(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_ins, "SECONDS_BETWEEN_CHECKS", 0.01)


async def asked_again(sign_in: Pretended) -> None:
    n = len(sign_in.asked)
    async with asyncio.timeout(SECONDS):
        while len(sign_in.asked) == n:
            await asyncio.sleep(0)


async def test_it_asks_once_for_each_sign_in_however_many_sockets_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sign_ins, "SECONDS_BETWEEN_CHECKS", 0.05)
    watched, one, other = SignIns(), Pretended("one"), Pretended("other")
    sockets = [Socket() for _ in range(50)]
    for number, socket in enumerate(sockets):
        # The same sign-in in an object of its own, as each handshake makes it.
        again = Pretended("one", asked=one.asked) if number % 2 else other
        watched.watch(again, socket.close)
    await asked_again(one)
    await asked_again(one)
    assert (len(one.asked), len(other.asked)) in {(2, 2), (2, 1)}
    assert not any(socket.is_closed.is_set() for socket in sockets)
    for number, socket in enumerate(sockets):
        watched.leave(one if number % 2 else other, socket.close)


async def test_all_sockets_of_a_sign_in_that_ended_close_and_no_others() -> None:
    watched, one, other = SignIns(), Pretended("one"), Pretended("other")
    stuck, mine, theirs = Stuck(), [Socket(), Socket()], Socket()
    for socket in (stuck, *mine):
        watched.watch(one, socket.close)
    watched.watch(other, theirs.close)
    one.ended.append(True)
    async with asyncio.timeout(SECONDS):
        for socket in mine:
            await socket.is_closed.wait()
    await asked_again(other)
    assert not theirs.is_closed.is_set()
    for sign_in, socket in ((one, stuck), *((one, socket) for socket in mine), (other, theirs)):
        watched.leave(sign_in, socket.close)


async def test_nobody_asks_after_the_last_socket_has_left_and_again_after_the_next() -> None:
    watched, one = SignIns(), Pretended("one")
    first, second = Socket(), Socket()
    watched.watch(one, first.close)
    watched.watch(one, second.close)
    watched.leave(one, first.close)
    await asked_again(one)
    watched.leave(one, second.close)
    n = len(one.asked)
    await asyncio.sleep(0.05)
    assert len(one.asked) == n
    watched.watch(one, first.close)
    await asked_again(one)
    watched.leave(one, first.close)


async def test_a_database_that_is_away_closes_nothing_and_is_asked_again() -> None:
    watched, one, socket = SignIns(), Pretended("one"), Socket()
    one.faults.append(OSError("away"))
    watched.watch(one, socket.close)
    await asked_again(one)
    await asked_again(one)
    assert not socket.is_closed.is_set()
    one.ended.append(True)
    async with asyncio.timeout(SECONDS):
        await socket.is_closed.wait()
    watched.leave(one, socket.close)
