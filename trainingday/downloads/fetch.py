"""The work of a download: page by page, each committed, then one dataset; a killed one goes on at its cursor."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from typing import cast

import numpy as np
from django.conf import settings

from trainingday.downloads.models import Download, DownloadPage
from trainingday.exceptions import ImportRefused
from trainingday.markets.exchange.candles import COLUMNS, Series, to_series
from trainingday.markets.exchange.client import Client
from trainingday.markets.exchange.exchanges import DownloadOptions, check_interval, find_exchange
from trainingday.markets.importers.options import ImportLimits
from trainingday.markets.merging import merge_bars
from trainingday.markets.models import moment
from trainingday.markets.quality import Finding, counted
from trainingday.markets.queries import query_bars
from trainingday.markets.services import note_fetch, prepare_bars, store_prepared
from trainingday.runs.context import RunContext
from trainingday.typing import FloatArray, JSONDict

CONNECTED, FETCHED = 0.02, 0.95  # shares of the whole that are done then
SECONDS_BETWEEN_CANCEL_CHECKS = 0.5
SKEW_WORTH_SAYING = 60.0  # seconds


def execute(context: RunContext) -> str:
    """Carry out a download; return what it came to in a sentence."""
    download = cast(Download, context.run)
    if download.summary:  # an attempt that died had stored the dataset already
        return download.summary
    context.stage("connect", 0.0)
    client = _connect(context, download)
    _fix_end(context, download, client)
    context.stage("fetch", CONNECTED)
    _fetch(context, download, client)
    context.stage("store", FETCHED)
    return _store(context, cast(Download, context.run))


def _connect(context: RunContext, download: Download) -> Client:
    exchange = find_exchange(download.exchange)
    chosen = download.configuration
    bases = getattr(settings, "TRAININGDAY_EXCHANGE_ADDRESSES", {})

    def pause(seconds: float, why: str) -> None:
        context.emit("note", {"text": f"Asking again in {seconds:g} s. {why}"})
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            context.check_cancel()
            time.sleep(min(left, SECONDS_BETWEEN_CANCEL_CHECKS))

    client = Client(
        exchange,
        download.market.symbol,
        check_interval(exchange, download.market.interval),
        download.market.interval * 1000,
        DownloadOptions.from_mapping(chosen.get("options", {}), exchange),
        pause,
        keep_broken=bool(chosen.get("quarantine")),
        base_url=bases.get(exchange.id),
    )
    client.connect()
    return client


def _fix_end(context: RunContext, download: Download, client: Client) -> None:
    """Fix which bars are finished, once for all attempts, by the exchange's clock."""
    if download.as_of_us is None:
        download.as_of_us = client.now_ms() * 1000
        download.skew_seconds = client.skew_seconds
        with context.transaction(as_of_us=download.as_of_us, skew_seconds=download.skew_seconds):
            pass


def _fetch(context: RunContext, download: Download, client: Client) -> None:
    """Ask for one page after another, from the cursor to the last finished bar."""
    assert download.as_of_us is not None
    interval_ms, as_of_ms = client.interval_ms, download.as_of_us // 1000
    cursor, start = download.cursor_us // 1000, download.since_us // 1000
    index, n_candles = download.pages.count(), download.n_candles
    before = download.n_requests, download.n_retries
    while cursor + interval_ms <= as_of_ms:
        candles = client.page(cursor, as_of_ms)
        # An empty answer is a hole as long as the question, or the end: exchanges do not say which.
        cursor = (
            int(candles[-1, 0]) + interval_ms if len(candles) else cursor + client.page_size * interval_ms
        )
        n_candles += len(candles)
        with context.transaction(
            cursor_us=cursor * 1000,
            n_candles=n_candles,
            n_requests=before[0] + client.n_requests,
            n_retries=before[1] + client.n_retries,
        ):
            if len(candles):
                DownloadPage.objects.create(download=download, index=index, candles=_pack(candles))
                index += 1
        if n_candles > ImportLimits.max_rows:
            raise ImportRefused(
                "too_many_rows", f"a dataset should hold at most {ImportLimits.max_rows:,} bars"
            )
        share = min((cursor - start) / max(as_of_ms - start, 1), 1.0)
        detail = f"{n_candles:,} candles, up to {moment(cursor * 1000):%Y-%m-%d %H:%M} UTC"
        context.tick(CONNECTED + (FETCHED - CONNECTED) * share, {"detail": detail})


def _store(context: RunContext, download: Download) -> str:
    """Store the pages as one dataset and drop them, in one transaction under the fence."""
    market, keep = download.market, download.configuration.get("keep") or None
    pages = [_unpack(bytes(packed)) for packed in download.pages.values_list("candles", flat=True)]
    if download.is_refresh and not pages:
        return _finish(context, download, "No bar was finished since the last fetch.")
    series = to_series(pages, market.interval * 1000, keep)
    bars = series.bars
    if download.base is not None:
        bars = merge_bars(query_bars(download.base), bars, keep)
        if len(bars) == download.base.n_rows:
            return _finish(
                context, download, f"No new bar; {counted(len(series.bars), 'known one')} came again."
            )
    findings = (*series.findings, *_findings(download, series))
    prepared = prepare_bars(market, bars, findings=findings, report=_report(download, series))
    with context.transaction():
        result = store_prepared(prepared, f"{download.exchange} ({download.public_id})")
        n_new = result.dataset.n_rows - (download.base.n_rows if download.base else 0)
        known = "" if result.created else " These bars were known already."
        summary = (
            f"{n_new:,} new bars: version {result.dataset.version} holds {result.dataset.n_rows:,}.{known}"
        )
        _close(download, summary, result.dataset.pk)
    return summary


def _finish(context: RunContext, download: Download, summary: str) -> str:
    with context.transaction():
        note_fetch(download.market)
        _close(download, summary, download.base_id)
    return summary


def _close(download: Download, summary: str, dataset: int | None) -> None:
    Download.objects.filter(pk=download.pk).update(summary=summary, dataset=dataset)
    download.pages.all().delete()


def _findings(download: Download, series: Series) -> Sequence[Finding]:
    found = []
    late = int(series.bars.timestamps[0]) - download.since_us
    if not download.is_refresh and late > download.market.interval * 1_000_000:
        first = moment(int(series.bars.timestamps[0]))
        text = f"the exchange's first bar is {first:%Y-%m-%d %H:%M} UTC, later than the one asked for"
        found.append(Finding("history_starts_later", text))
    if abs(download.skew_seconds or 0.0) > SKEW_WORTH_SAYING:
        text = f"the exchange's clock is {download.skew_seconds:+,.0f} s from ours; its own decided which bars are finished"
        found.append(Finding("clock_skew", text))
    return found


def _report(download: Download, series: Series) -> JSONDict:
    return {
        "download": {
            "run": download.public_id,
            "exchange": download.exchange,
            "requests": download.n_requests,
            "retries": download.n_retries,
        },
        "quarantined": {"count": series.n_quarantined, "rows": list(series.quarantined)},
    }


def _pack(candles: FloatArray) -> bytes:
    return zlib.compress(np.ascontiguousarray(candles, dtype="<f8").tobytes(), 1)


def _unpack(packed: bytes) -> FloatArray:
    return np.frombuffer(zlib.decompress(packed), dtype="<f8").reshape(-1, COLUMNS)
