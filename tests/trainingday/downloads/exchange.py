"""A stand-in for Binance on loopback: real sockets, its klines format, and faults on demand."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOUR_MS = 3_600_000
START_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC
SYMBOL = {
    "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "baseAssetPrecision": 8,
    "quotePrecision": 8, "quoteAssetPrecision": 8, "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
    "orderTypes": ["LIMIT", "MARKET"], "icebergAllowed": True, "isSpotTradingAllowed": True,
    "isMarginTradingAllowed": False, "permissions": ["SPOT"], "permissionSets": [["SPOT"]],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
    ],
}  # fmt: skip

Kline = list[Any]
Fault = Callable[[BaseHTTPRequestHandler, list[Kline]], list[Kline] | None]


def kline(hour: int, price: float | None = None) -> Kline:
    """Return the hourly candle that opens `hour` hours after the start, as Binance writes it."""
    opened = START_MS + hour * HOUR_MS
    value = 40_000 + 10 * (hour % 97) if price is None else price
    texts = [f"{number:.2f}" for number in (value, value + 20, value - 20, value + 5)]
    volume = f"{1 + hour % 7}.50000000"
    return [opened, *texts, volume, opened + HOUR_MS - 1, "0.0", 10, "0.0", "0.0", "0"]


@dataclass
class FakeBinance:
    """What the server knows: candles by hour, its clock, and the faults of its next answers.

    A fault may answer by itself (and return None) or return other candles than those asked for.
    """

    klines: list[Kline]
    now_ms: int
    faults: deque[Fault] = field(default_factory=deque)
    asked: list[dict[str, str]] = field(default_factory=list)
    most: int = 1000
    address: str = ""
    gate: threading.Event | None = None  # closed: answers wait, after the first `after`
    after: int = 0
    is_waiting: threading.Event = field(default_factory=threading.Event)

    def answer(self, query: dict[str, str]) -> list[Kline]:
        start = int(query.get("startTime", 0))
        limit = min(int(query.get("limit", 500)), self.most)
        begun = [row for row in self.klines if start <= row[0] <= self.now_ms]
        return begun[:limit]


def send(handler: BaseHTTPRequestHandler, status: int, body: Any, **headers: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def fails(status: int, **headers: str) -> Fault:
    def fault(handler: BaseHTTPRequestHandler, rows: list[Kline]) -> None:
        send(handler, status, {"code": -1003, "msg": "fault on demand"}, **headers)

    return fault


def says(body: Any) -> Fault:
    def fault(handler: BaseHTTPRequestHandler, rows: list[Kline]) -> None:
        send(handler, 200, body)

    return fault


def hangs(seconds: float) -> Fault:
    def fault(handler: BaseHTTPRequestHandler, rows: list[Kline]) -> None:
        time.sleep(seconds)  # a server that is silent for longer than the client waits

    return fault


def hangs_up(handler: BaseHTTPRequestHandler, rows: list[Kline]) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def changes(change: Callable[[list[Kline]], list[Kline]]) -> Fault:
    return lambda handler, rows: change([list(row) for row in rows])


@contextmanager
def serve(fake: FakeBinance) -> Iterator[FakeBinance]:
    """Serve on a free port of loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/api/v3/exchangeInfo":
                send(
                    self,
                    200,
                    {"timezone": "UTC", "serverTime": fake.now_ms, "rateLimits": [], "symbols": [SYMBOL]},
                )
            elif parts.path == "/api/v3/time":
                send(self, 200, {"serverTime": fake.now_ms})
            elif parts.path == "/api/v3/klines":
                self.klines(query)
            else:
                send(self, 404, {"code": -1, "msg": "not here"})

        def klines(self, query: dict[str, str]) -> None:
            fake.asked.append(query)
            if fake.gate is not None and len(fake.asked) > fake.after:
                fake.is_waiting.set()
                fake.gate.wait(60)
            rows: list[Kline] | None = fake.answer(query)
            if fake.faults:
                rows = fake.faults.popleft()(self, rows or [])
            if rows is not None:
                send(self, 200, rows)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
