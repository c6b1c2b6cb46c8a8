"""One exchange through ccxt: pages of candles, retried with growing pauses. ccxt is an optional package."""

from __future__ import annotations

import importlib
import importlib.util
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from trainingday.exceptions import ExchangeUnavailable, InvalidArgument
from trainingday.markets.exchange.candles import as_candles, find_broken, usable
from trainingday.markets.exchange.exchanges import DownloadOptions, Exchange
from trainingday.typing import FloatArray

# seconds before each repeated question; an exchange that names its own pause is obeyed up to LONGEST_PAUSE
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
LONGEST_PAUSE = 300.0
MISSING = "downloads need the package ccxt (the extra 'exchange'), which is not installed: pip install ccxt"
# what ccxt raises where an answer has another shape than the exchange documents
MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError)

Pause = Callable[[float, str], None]


def is_installed() -> bool:
    return importlib.util.find_spec("ccxt") is not None


@dataclass
class Client:
    """Asks one exchange for one symbol's candles.

    Attributes
    ----------
    pause : callable of (seconds, why)
        Waits; it may raise to stop, as a cancelled run does.
    keep_broken : bool
        After one repeated question hand out broken candles too, instead of giving up on them.
    base_url : str or None
        Where a test's own server stands; never from a request.
    """

    exchange: Exchange
    symbol: str
    interval: str
    interval_ms: int
    options: DownloadOptions
    pause: Pause
    keep_broken: bool = False
    base_url: str | None = None
    n_requests: int = field(default=0, init=False)
    n_retries: int = field(default=0, init=False)
    skew_seconds: float | None = field(default=None, init=False)
    _ccxt: Any = field(default=None, init=False)
    _api: Any = field(default=None, init=False)
    _is_repeated: bool = field(default=False, init=False)

    @property
    def page_size(self) -> int:
        return self.options.page_size or self.exchange.page_size

    def connect(self) -> None:
        """Load ccxt and the exchange's list of markets.

        Raises
        ------
        ExchangeUnavailable
            If ccxt is not installed, or the exchange does not answer.
        InvalidArgument
            If the exchange does not trade the symbol.
        """
        if not is_installed():
            raise ExchangeUnavailable(MISSING)
        self._ccxt = importlib.import_module("ccxt")
        self._api = self._open()
        self._ask(self._api.load_markets)
        if self.symbol not in self._api.markets:
            raise InvalidArgument(
                f"symbol should be traded at {self.exchange.title}, is {self.symbol!r}; write it as BTC/USDT, "
                "a perpetual as BTC/USDT:USDT"
            )

    def now_ms(self) -> int:
        """Return the present by the exchange's clock, by ours where it tells none."""
        before = time.time()
        now = None
        if self._api.has.get("fetchTime"):
            now = self._ask(self._api.fetch_time)
        if not isinstance(now, int | float):
            return int(time.time() * 1000)
        self.skew_seconds = round(now / 1000 - (before + time.time()) / 2, 1)
        return int(now)

    def page(self, cursor_ms: int, as_of_ms: int) -> FloatArray:
        """Return finished candles from the cursor on, at most a page, shape (n_candles, 6); none is an answer.

        Raises
        ------
        ExchangeUnavailable
            If the exchange fails or sends broken candles more often than there are pauses.
        """

        def ask() -> FloatArray:
            rows = self._api.fetch_ohlcv(self.symbol, self.interval, cursor_ms, self.page_size)
            if not rows:
                self._check_emptiness()
            candles = usable(as_candles(rows), cursor_ms, as_of_ms, self.interval_ms)
            n_broken = int(find_broken(candles, self.interval_ms).sum())
            if n_broken and not (self.keep_broken and self._is_repeated):
                raise ValueError(f"{n_broken} of {len(candles)} candles are broken")
            return candles

        answer: FloatArray = self._ask(ask)
        return answer

    def _check_emptiness(self) -> None:
        """Raise ValueError unless the exchange itself said that there is nothing.

        ccxt reads an empty body, a web page or an unknown object as no candles, which would be a hole in the
        history.
        """
        answer = json.loads(self._api.last_http_response or "")
        said_nothing = answer == [] or (
            not self.exchange.answers_list and isinstance(answer, dict) and answer
        )
        if not said_nothing:
            raise ValueError(f"no candles in {str(answer)[:80]!r}")

    def _open(self) -> Any:
        api = getattr(self._ccxt, self.exchange.id)()
        api.enableRateLimit = True
        api.timeout = int(self.options.timeout_seconds * 1000)
        is_swap = ":" in self.symbol
        api.options["defaultType"] = "swap" if is_swap else "spot"
        if self.exchange.id == "binance":
            api.options["fetchMarkets"] = {"types": ["linear", "inverse"] if is_swap else ["spot"]}
        if self.base_url is not None:
            api.urls["api"] = _moved(api.urls["api"], self.base_url)
        return api

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Return the answer, asking again after growing pauses."""
        self._is_repeated = False
        for seconds in (*PAUSES, None):
            self.n_requests += 1
            stated = 0.0
            try:
                return question()
            except self._ccxt.OperationFailed as error:
                reason = f"{type(error).__name__}: {_short(error)}"
                stated = self._stated_pause(error)
            except self._ccxt.BaseError as error:
                raise ExchangeUnavailable(f"{self.exchange.title} refused: {_short(error)}") from error
            except MALFORMED as error:
                reason = f"unusable answer: {_short(error)}"
            if seconds is None:
                break
            self._is_repeated = True
            self.n_retries += 1
            self.pause(max(seconds, stated), reason)
        tries = len(PAUSES) + 1
        raise ExchangeUnavailable(
            f"exchange unavailable: {self.exchange.title}, asked {tries} times; last: {reason}"
        )

    def _stated_pause(self, error: Exception) -> float:
        """Return the seconds that a refusal for too many requests asks to wait, 0 without a word on it."""
        if not isinstance(error, self._ccxt.RateLimitExceeded | self._ccxt.DDoSProtection):
            return 0.0
        text = str((self._api.last_response_headers or {}).get("Retry-After", ""))
        return min(float(text), LONGEST_PAUSE) if text.isascii() and text.isdigit() else 0.0


def _moved(addresses: Any, base_url: str) -> Any:
    """Return ccxt's addresses with another scheme and host."""
    if isinstance(addresses, Mapping):
        return {name: _moved(address, base_url) for name, address in addresses.items()}
    return base_url + urlsplit(str(addresses)).path


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
