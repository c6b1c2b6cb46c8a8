"""The exchanges that bars may be downloaded from, and the few options that a request may set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainingday.exceptions import InvalidArgument
from trainingday.markets.intervals import interval_name

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Exchange:
    """One exchange as ccxt names it: its bar intervals, and the most candles that one answer holds.

    `answers_list` says that its answer is the bare list of candles, [] where there are none.
    """

    id: str
    title: str
    intervals: tuple[str, ...]
    page_size: int
    answers_list: bool = True
    note: str = ""


EXCHANGES = {
    exchange.id: exchange
    for exchange in (
        Exchange("binance", "Binance", ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w"), 1000),
        Exchange("binanceus", "Binance US", ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w"), 1000),
        Exchange("bitfinex", "Bitfinex", ("1m", "5m", "15m", "30m", "1h", "3h", "4h", "6h", "12h", "1d", "1w"), 1000),
        Exchange("bitstamp", "Bitstamp", ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"), 1000, False),
        Exchange("bybit", "Bybit", ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w"), 1000, False),
        Exchange("coinbaseexchange", "Coinbase Exchange", ("1m", "5m", "15m", "1h", "6h", "1d"), 300),
        Exchange("gate", "Gate", ("1m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "1d"), 1000),
        Exchange("kraken", "Kraken", ("1m", "5m", "15m", "30m", "1h", "4h", "1d"), 720, False, "gives its newest 720 candles only"),
        Exchange("kucoin", "KuCoin", ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "1w"), 1500, False),
        Exchange("okx", "OKX", ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w"), 100, False),
    )
}  # fmt: skip


@dataclass(frozen=True)
class DownloadOptions:
    """What a request may say about the connection; every other ccxt setting is refused.

    Attributes
    ----------
    timeout_seconds : float
        For one answer, 1..60.
    page_size : int or None
        Candles to ask for at once, 1 up to the exchange's own most.
    """

    timeout_seconds: float = TIMEOUT_SECONDS
    page_size: int | None = None

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any], exchange: Exchange) -> DownloadOptions:
        """Return checked options.

        Raises
        ------
        InvalidArgument
            For an option that is not on the list, such as urls, hostname or proxyUrl, or out of bounds.
        """
        for name in given:
            if name not in cls.__dataclass_fields__:
                allowed = ", ".join(cls.__dataclass_fields__)
                raise InvalidArgument(f"option not allowed: {str(name)[:60]!r}; allowed are {allowed}")
        timeout = _number("timeout_seconds", given.get("timeout_seconds", TIMEOUT_SECONDS), 1, 60)
        size = given.get("page_size")
        if size is not None:
            size = int(_number("page_size", size, 1, exchange.page_size))
        return cls(timeout, size)


def find_exchange(name: str) -> Exchange:
    """Return an exchange of the list; raise InvalidArgument for any other."""
    exchange = EXCHANGES.get(name)
    if exchange is None:
        raise InvalidArgument(f"unknown exchange: {name[:40]!r}; known are {', '.join(EXCHANGES)}")
    return exchange


def check_interval(exchange: Exchange, seconds: int) -> str:
    """Return the exchange's name of an interval; raise InvalidArgument where it has no such candles."""
    name = interval_name(seconds)
    if name not in exchange.intervals:
        raise InvalidArgument(
            f"interval should be one of {', '.join(exchange.intervals)} at {exchange.title}, is {name}"
        )
    return name


def _number(name: str, value: Any, low: float, high: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise InvalidArgument(f"{name} should be {low:g}..{high:g}, is {str(value)[:40]}")
    return float(value)
