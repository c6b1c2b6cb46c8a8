"""The signal relay: one task per ASGI process that looks for new bars and new champions, for all sockets."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import structlog
from channels.db import database_sync_to_async
from rest_framework.renderers import JSONRenderer

from strategies.serializers import SignalSerializer
from strategies.signals import Signal, market_signal
from trainingday.exceptions import TrainingDayError
from trainingday.markets.models import Market
from trainingday.runs.live_socket import Feed, Frame
from trainingday.typing import JSONDict

SECONDS_BETWEEN_LOOKS = 1.0
log = structlog.get_logger(__name__)
# What a signal says apart from its growing age: a socket hears of it when this changes.
Marker = tuple[object, ...]


@dataclass(eq=False)
class SignalFeed(Feed):
    """One socket's interest in one market, and what it was told last."""

    market: Market | None = None
    marker: Marker = ()


def read_frame(market: Market) -> tuple[Frame, Marker]:
    """Return a market's signal as a frame that holds what GET answers, and its marker."""
    signal = market_signal(market)
    payload: JSONDict = json.loads(JSONRenderer().render(SignalSerializer(signal).data))
    return {"type": "signal", "signal": payload}, _marker(signal)


def _marker(signal: Signal) -> Marker:
    champion, dataset = signal.champion or {}, signal.dataset or {}
    return (
        champion.get("id"),
        dataset.get("sha256"),
        signal.position,
        signal.since,
        signal.bar,
        signal.is_stale,
    )


class SignalRelay:
    """Reads the signal of each watched market once a second, however many sockets watch it."""

    def __init__(self) -> None:
        self._feeds: set[SignalFeed] = set()
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, market: Market, marker: Marker) -> SignalFeed:
        """Start to watch a market whose signal of this marker the caller sends itself."""
        feed = SignalFeed(market=market, marker=marker)
        self._feeds.add(feed)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._watch())
        return feed

    def unsubscribe(self, feed: SignalFeed) -> None:
        self._feeds.discard(feed)

    async def _watch(self) -> None:
        while self._feeds:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            markets = {feed.market.pk: feed.market for feed in self._feeds if feed.market is not None}
            try:
                found = await database_sync_to_async(_read)(list(markets.values()))
            except Exception:
                log.exception("signal relay could not read")
                continue
            for feed in list(self._feeds):
                if feed.market is not None and feed.market.pk in found:
                    _tell(feed, *found[feed.market.pk])


def _tell(feed: SignalFeed, frame: Frame, marker: Marker) -> None:
    if marker != feed.marker:
        feed.marker = marker
        feed.push(frame)


def _read(markets: list[Market]) -> dict[int, tuple[Frame, Marker]]:
    """Return the frames of markets; one whose signal cannot be made says so in the log, and nothing else."""
    found = {}
    for market in markets:
        try:
            found[market.pk] = read_frame(market)
        except TrainingDayError as error:
            log.warning("signal could not be made", market=market.slug, reason=str(error))
    return found


signal_relay = SignalRelay()
