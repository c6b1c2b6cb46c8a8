"""A small client of the API; it needs `requests` alone, so that a bot may copy this one file.

`Client.signals`, which is told of changes instead of asking, needs `websockets` as well.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from urllib.parse import quote, urljoin

import requests

TIMEOUT_SECONDS = 10.0
CLOSED = {4401: 401, 4404: 404}  # the server's reasons to close a socket for good, as HTTP says them
LONGEST_PAUSE_SECONDS = 30.0
FINISHED = ("succeeded", "failed", "cancelled")


class ApiError(Exception):
    """The server refused a request; `status` is its code, the message its reason."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail


@dataclass(frozen=True)
class Signal:
    """What a bot should hold now.

    Attributes
    ----------
    market : str
        Slug.
    state : str
        "champion" or "no_champion".
    position : float or None
        Target as a fraction of equity in [-1, 1], for the next bar's open; None without a champion.
    since, bar, decided_at : datetime or None
        Close of the bar that decided this position first; open and close of the latest bar.
    age_seconds : float or None
        Since that close.
    is_stale : bool
        Newer bars should have arrived by now: do not trade on it.
    dataset, champion : dict or None
        The bars it was made from; what the champion is and the evidence for it.
    """

    market: str
    state: str
    position: float | None
    since: datetime | None
    bar: datetime | None
    decided_at: datetime | None
    age_seconds: float | None
    is_stale: bool
    dataset: dict[str, Any] | None
    champion: dict[str, Any] | None

    @property
    def is_tradable(self) -> bool:
        """Whether there is a position, and it is up to date."""
        return self.position is not None and not self.is_stale


class Client:
    """Talks to one server with one token."""

    def __init__(self, address: str, token: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._address = address.rstrip("/") + "/"
        self._timeout = timeout
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Token {token}"

    def signal(self, market: str) -> Signal:
        """Return the champion's position for a market's latest bar."""
        return _signal(self._call("GET", "api/v1/signals/", params={"market": market}))

    def signals(self, market: str) -> Iterator[Signal]:
        """Yield the market's signal now and whenever it changes, for ever.

        It changes with new bars, with a new champion, and when it becomes stale. A broken connection is
        opened again, after pauses of at most 30 s in which nothing is yielded.

        Raises
        ------
        ApiError
            If the token is not or no longer good (401), or there is no such market (404).
        ImportError
            If the package `websockets` is not installed.
        """
        from websockets.exceptions import ConnectionClosed, InvalidStatus
        from websockets.sync.client import connect

        address = f"ws{self._address.removeprefix('http')}ws/signals/?market={quote(market)}"
        headers = {"Authorization": str(self._session.headers["Authorization"])}
        pause, reason = 1.0, "the token is not good"
        while True:
            try:
                with connect(address, additional_headers=headers, open_timeout=self._timeout) as socket:
                    for text in socket:
                        frame = json.loads(text)
                        if frame["type"] == "signal":
                            pause = 1.0
                            yield _signal(frame["signal"])
                        elif frame["type"] == "error":
                            reason = str(frame["message"])
            except InvalidStatus as error:
                raise ApiError(error.response.status_code, "the server refused the socket") from error
            except ConnectionClosed as error:
                if error.rcvd is not None and error.rcvd.code in CLOSED:
                    raise ApiError(CLOSED[error.rcvd.code], error.rcvd.reason or reason) from error
            except OSError:
                pass  # not reachable for now
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def start_session(self, market: str, *, key: str = "", **fields: Any) -> str:
        """Start a training session and return its run, such as "session-12"; the same key starts one only."""
        return self._start("api/v1/training-sessions/", market, key, fields)

    def start_tournament(self, market: str, *, key: str = "", **fields: Any) -> str:
        """Start a tournament and return its run, such as "tournament-3"; the same key starts one only."""
        return self._start("api/v1/tournaments/", market, key, fields)

    def run(self, name: str) -> dict[str, Any]:
        """Return state, stage and progress of a run."""
        return dict(self._call("GET", f"api/v1/runs/{name}/"))

    def cancel(self, name: str) -> None:
        self._call("POST", f"api/v1/runs/{name}/cancel/")

    def wait(self, name: str, *, seconds_between_reads: float = 2.0) -> dict[str, Any]:
        """Return a run once it has finished."""
        while (run := self.run(name))["state"] not in FINISHED:
            time.sleep(seconds_between_reads)
        return run

    def pages(self, path: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Yield every row of a list, such as `pages("champions/", market__slug="SP500-1d")`."""
        address: str | None = f"api/v1/{path}"
        parameters: dict[str, Any] | None = filters
        while address:
            page = self._call("GET", address, params=parameters)
            yield from page["results"]
            address, parameters = page["next"], None

    def _start(self, path: str, market: str, key: str, given: dict[str, Any]) -> str:
        headers = {"Idempotency-Key": key} if key else {}
        answer = self._call("POST", path, json={"market": market, **given}, headers=headers)
        return str(answer["run"])

    def _call(self, method: str, path: str, **options: Any) -> Any:
        response = self._session.request(
            method, urljoin(self._address, path), timeout=self._timeout, allow_redirects=False, **options
        )
        if not 200 <= response.status_code < 300:
            raise ApiError(response.status_code, _detail(response))
        return response.json() if response.content else None


def _signal(body: dict[str, Any]) -> Signal:
    values = {field.name: body[field.name] for field in fields(Signal)}
    for name in ("since", "bar", "decided_at"):
        if values[name] is not None:
            values[name] = datetime.fromisoformat(values[name])
    return Signal(**values)


def _detail(response: requests.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.reason or "no reason given"
    errors = body.get("errors") if isinstance(body, dict) else None
    return str(errors or (body.get("detail") if isinstance(body, dict) else body))
