"""Turns: one after another in the order of coming, and none waits long for one that takes long."""

from __future__ import annotations

import asyncio

import pytest

from trainingday.turns import Turns

LONG = 20.0


class Blocks:
    """Blocks under one `Turns`, each of which ends when it is told to."""

    def __init__(self, seconds: float) -> None:
        self._turns = Turns(seconds)
        self.began: list[int] = []
        self._ends: dict[int, asyncio.Event] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def come(self, number: int) -> None:
        self._ends[number] = asyncio.Event()
        self._tasks[number] = asyncio.create_task(self._block(number))
        await asyncio.sleep(0)

    async def end(self, number: int) -> None:
        self._ends[number].set()
        await asyncio.gather(self._tasks[number], return_exceptions=True)
        await asyncio.sleep(0)

    async def leave(self, number: int) -> None:
        self._tasks[number].cancel()
        await asyncio.gather(self._tasks[number], return_exceptions=True)
        await asyncio.sleep(0)

    async def until_begun(self, *numbers: int) -> None:
        async with asyncio.timeout(LONG):
            while self.began != [*numbers]:
                await asyncio.sleep(0)

    async def _block(self, number: int) -> None:
        async with self._turns.turn():
            self.began.append(number)
            await self._ends[number].wait()


async def test_each_begins_when_the_one_before_has_ended() -> None:
    blocks = Blocks(LONG)
    for number in (1, 2, 3):
        await blocks.come(number)
    assert blocks.began == [1]
    await blocks.end(1)
    await blocks.until_begun(1, 2)
    await blocks.end(2)
    await blocks.until_begun(1, 2, 3)
    await blocks.end(3)


async def test_one_that_takes_long_lets_the_next_begin_and_only_that() -> None:
    blocks = Blocks(0.02)
    await blocks.come(1)
    await blocks.come(2)
    await blocks.until_begun(1, 2)
    await blocks.end(1)  # its turn has passed already, so its end gives none
    await blocks.come(3)
    assert blocks.began == [1, 2]
    await blocks.until_begun(1, 2, 3)


@pytest.mark.parametrize("left", [1, 2])
async def test_one_that_leaves_gives_its_turn_on(left: int) -> None:
    blocks = Blocks(LONG)
    for number in (1, 2, 3):
        await blocks.come(number)
    await blocks.leave(left)
    if left == 2:
        await blocks.end(1)
    await blocks.until_begun(*{1, 2, 3} - ({3} if left == 1 else {2}))


async def test_a_block_that_fails_gives_its_turn_on() -> None:
    turns = Turns(LONG)
    with pytest.raises(ValueError, match="as blocks do"):
        async with turns.turn():
            raise ValueError("as blocks do")
    async with asyncio.timeout(LONG), turns.turn():
        pass
