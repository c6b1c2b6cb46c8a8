"""The signal socket: the champion's position now, and again whenever it changes."""

from __future__ import annotations

from urllib.parse import parse_qs

from channels.db import database_sync_to_async

from strategies.signal_relay import SignalFeed, read_frame, signal_relay
from trainingday.exceptions import TrainingDayError
from trainingday.markets.queries import query_market
from trainingday.runs.live_socket import NOT_FOUND, LiveSocket


class SignalConsumer(LiveSocket):
    """`/ws/signals/?market=SLUG`. Frames out: signal (as GET answers), error, pong. Frames in: ping."""

    feed: SignalFeed | None = None

    async def opened(self) -> None:
        slug = parse_qs(self.scope["query_string"].decode("latin-1")).get("market", [""])[0]
        try:
            market = await database_sync_to_async(query_market)(slug.replace("\x00", ""))
            frame, marker = await database_sync_to_async(read_frame)(market)
        except TrainingDayError as error:
            await self.send_error("not_found", str(error))
            await self.close(NOT_FOUND)
            return
        # The relay compares with what is sent here, so a change in between is pushed at its next look.
        self.feed = signal_relay.subscribe(market, marker)
        await self.send_frame(frame)
        self.follow(self.feed)

    def closed(self) -> None:
        if self.feed is not None:
            signal_relay.unsubscribe(self.feed)
