"""Starts downloads and refreshes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from trainingday.downloads.models import Download
from trainingday.exceptions import ExchangeUnavailable, InvalidArgument
from trainingday.markets.calendars import Calendar
from trainingday.markets.exchange.client import MISSING, is_installed
from trainingday.markets.exchange.exchanges import DownloadOptions, check_interval, find_exchange
from trainingday.markets.importers.options import ImportLimits
from trainingday.markets.intervals import MICROSECONDS, interval_seconds
from trainingday.markets.models import EPOCH, Dataset, Market
from trainingday.markets.queries import query_latest_dataset
from trainingday.markets.services import get_or_create_market
from trainingday.runs.models import Run, TrainingSchedule, Trigger
from trainingday.runs.services import request_run

EARLIEST = datetime(2009, 1, 3, tzinfo=UTC)  # Bitcoin's first block
OVERLAP = 5  # stored bars that a refresh asks for again, to see that the exchange tells the same


def request_download(
    exchange: str,
    symbol: str,
    interval: str,
    since: datetime,
    *,
    trigger: Trigger,
    user: User | None = None,
    keep: str = "",
    quarantine: bool = False,
    options: Mapping[str, Any] | None = None,
    idempotency_key: str = "",
) -> Download:
    """Queue a download of a symbol's bars since a time; its market is made where it is new.

    Raises
    ------
    InvalidArgument
        For an exchange, interval or option that is not on the list, or a start out of range.
    StateConflict
        If a download of the market is active.
    ExchangeUnavailable
        If ccxt is not installed.
    """
    known = find_exchange(exchange)
    seconds = interval_seconds(interval)
    check_interval(known, seconds)
    _check(known.id, options)
    now = timezone.now()
    if not EARLIEST <= since < now:
        raise InvalidArgument(f"since should be {EARLIEST:%Y-%m-%d} to now, is {since:%Y-%m-%d %H:%M}")
    n_bars = (now - since).total_seconds() / seconds
    if n_bars > ImportLimits.max_rows:
        raise InvalidArgument(
            f"since should leave at most {ImportLimits.max_rows:,} bars of {interval}, leaves {n_bars:,.0f}"
        )
    market, _ = get_or_create_market(symbol, known.id, seconds, calendar=Calendar.CRYPTO)
    return _request(
        market, _on_grid(since, seconds), None, trigger, user, keep, quarantine, options, idempotency_key
    )


def request_refresh(
    market: Market,
    *,
    trigger: Trigger,
    user: User | None = None,
    keep: str = "",
    quarantine: bool = False,
    options: Mapping[str, Any] | None = None,
    idempotency_key: str = "",
) -> Download:
    """Queue a fetch of the bars since the market's newest dataset, which becomes its next version.

    Raises
    ------
    InvalidArgument
        If the market's venue is no exchange on the list, or has no such interval.
    NotFound
        If the market has no dataset yet.
    """
    check_interval(find_exchange(market.venue), market.interval)
    _check(market.venue, options)
    base = query_latest_dataset(market)
    since_us = base.last_us - (OVERLAP - 1) * market.interval * MICROSECONDS
    return _request(market, since_us, base, trigger, user, keep, quarantine, options, idempotency_key)


def start_scheduled_refresh(schedule: TrainingSchedule, trigger: Trigger, user: User | None) -> Run:
    return request_refresh(schedule.market, trigger=trigger, user=user)


def _check(exchange: str, options: Mapping[str, Any] | None) -> None:
    DownloadOptions.from_mapping(options or {}, find_exchange(exchange))
    if not is_installed():
        raise ExchangeUnavailable(MISSING)


def _request(
    market: Market,
    since_us: int,
    base: Dataset | None,
    trigger: Trigger,
    user: User | None,
    keep: str,
    quarantine: bool,
    options: Mapping[str, Any] | None,
    idempotency_key: str,
) -> Download:
    return request_run(
        Download(
            market=market,
            exchange=market.venue,
            is_refresh=base is not None,
            base=base,
            since_us=since_us,
            cursor_us=since_us,
            trigger=trigger,
            requested_by=user,
            seed=0,  # nothing is drawn at random
            configuration={"keep": keep, "quarantine": quarantine, "options": dict(options or {})},
            idempotency_key=idempotency_key,
        )
    )


def _on_grid(since: datetime, seconds: int) -> int:
    """Return the first multiple of the interval at or after a time, microseconds UTC."""
    micros = int((since - EPOCH).total_seconds()) * MICROSECONDS
    step = seconds * MICROSECONDS
    return -(-micros // step) * step
