"""Downloads through real ccxt from a server on loopback that speaks Binance's klines format."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tests.trainingday.downloads.exchange import (
    HOUR_MS,
    START_MS,
    changes,
    fails,
    hangs,
    hangs_up,
    kline,
    says,
)
from trainingday.downloads.models import Download, DownloadPage
from trainingday.downloads.services import request_download, request_refresh
from trainingday.markets.models import Dataset, Market
from trainingday.markets.queries import query_bars
from trainingday.runs import child, services
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunEvent, Trigger

pytestmark = pytest.mark.django_db
SINCE = datetime(2024, 1, 1, tzinfo=UTC)


def ask(**fields) -> Download:
    return request_download("binance", "BTC/USDT", "1h", SINCE, trigger=Trigger.COMMAND, **fields)


def work(download: Download) -> Download:
    """Carry the run out in this process, as its child would."""
    fence = services.claim("download", download.pk)
    assert fence is not None
    child.work(RunContext("download", download.pk, fence))
    download.refresh_from_db()
    return download


def warnings(dataset: Dataset) -> dict[str, int]:
    """Return the dataset's warnings but that of the clock: the stand-in lives in 2024."""
    found = {item["code"]: item["count"] for item in dataset.quality["warnings"]}
    assert found.pop("clock_skew") == 1
    return found


def test_it_pages_through_history_and_leaves_out_the_bar_that_has_not_ended(binance):
    download = work(ask())
    assert (download.state, download.reason) == ("succeeded", "2,500 new bars: version 1 holds 2,500.")
    bars = query_bars(download.dataset)
    assert [int(query["startTime"]) for query in binance.asked] == [
        START_MS, START_MS + 1000 * HOUR_MS, START_MS + 2000 * HOUR_MS,
    ]  # fmt: skip
    assert np.array_equal(bars.timestamps, (START_MS + HOUR_MS * np.arange(2500)) * 1000)
    expected = np.array([[float(cell) for cell in kline(hour)[1:6]] for hour in range(2500)])
    for column, name in enumerate(("open", "high", "low", "close", "volume")):
        assert np.array_equal(getattr(bars, name), expected[:, column])
    assert warnings(download.dataset) == {}
    assert download.market.slug == "BTCUSDT-1h"
    assert not DownloadPage.objects.exists()


def test_a_refresh_adds_only_newer_bars_as_an_immutable_next_version(binance):
    first = work(ask())
    binance.now_ms += 3 * HOUR_MS
    binance.klines += [kline(hour) for hour in range(2501, 2504)]
    market = Market.objects.get()
    refresh = work(request_refresh(market, trigger=Trigger.COMMAND))
    assert refresh.reason == "3 new bars: version 2 holds 2,503."
    assert int(binance.asked[-1]["startTime"]) == START_MS + 2495 * HOUR_MS
    assert query_bars(refresh.dataset)[:2500].close.tolist() == query_bars(first.dataset).close.tolist()
    assert Dataset.objects.get(version=1).n_rows == 2500


def test_a_refresh_without_news_makes_no_version_but_counts_as_a_fetch(binance):
    work(ask())
    Market.objects.update(fetched_at=None)
    refresh = work(request_refresh(Market.objects.get(), trigger=Trigger.COMMAND))
    assert (refresh.state, refresh.reason) == ("succeeded", "No new bar; 5 known ones came again.")
    assert Dataset.objects.count() == 1
    assert Market.objects.get().fetched_at is not None


def test_a_refresh_refuses_a_history_that_has_changed_unless_told_which_to_keep(binance):
    work(ask())
    binance.now_ms += HOUR_MS
    binance.klines[2498] = kline(2498, price=50_000)
    market = Market.objects.get()
    refused = work(request_refresh(market, trigger=Trigger.COMMAND))
    assert refused.state == "failed"
    assert (
        "1 new bars differ from stored bars of the same time, the first at 2024-04-14 02:00" in refused.reason
    )
    assert Dataset.objects.count() == 1
    taken = work(request_refresh(market, trigger=Trigger.COMMAND, keep="last"))
    assert query_bars(taken.dataset).open[2498] == 50_000


@pytest.mark.parametrize(
    "fault",
    [
        fails(429, Retry_After="0"),
        fails(418),
        fails(500),
        fails(502),
        fails(503),
        hangs_up,
        says({"rows": []}),
        says(b"<html>maintenance</html>"),
        says(b""),
        says(None),
        says([[START_MS, "1"]]),
        changes(lambda rows: [[*row[:4], "NaN", *row[5:]] for row in rows]),
        changes(lambda rows: [[*row[:2], None, *row[3:]] for row in rows]),
        changes(lambda rows: [[row[0], "-1", *row[2:]] for row in rows]),
        changes(lambda rows: [[row[0] + (60_000 if i == 5 else 0), *row[1:]] for i, row in enumerate(rows)]),
    ],
)
def test_a_fault_that_passes_is_asked_again_and_changes_nothing(binance, fault):
    binance.faults.extend([fault, fault])
    download = work(ask())
    assert (download.state, download.n_candles) == ("succeeded", 2500), download.reason
    assert download.n_retries == 2
    notes = RunEvent.objects.filter(kind="note").values_list("payload__text", flat=True)
    assert len([note for note in notes if note.startswith("Asking again in")]) == 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (fails(503), "fault on demand"),
        (fails(429), "DDoSProtection"),
        (says(b"<html>maintenance</html>"), "unusable answer"),
        (changes(lambda rows: [[*row[:4], "NaN", *row[5:]] for row in rows]), "candles are broken"),
    ],
)
def test_a_fault_that_stays_ends_the_run_with_its_reason_and_stores_nothing(binance, fault, said):
    binance.faults.extend([fault] * 10)
    download = work(ask())
    assert download.state == "failed"
    assert download.reason.startswith("exchange unavailable: Binance, asked 4 times; last: ")
    assert said in download.reason
    assert not Dataset.objects.exists()


def test_a_silent_server_times_out_and_is_asked_again(binance):
    binance.faults.append(hangs(2.0))
    download = work(ask(options={"timeout_seconds": 1}))
    assert (download.state, download.n_retries) == ("succeeded", 1)


def test_broken_candles_are_set_aside_counted_and_listed_where_chosen(binance):
    binance.klines[7] = [*binance.klines[7][:4], "NaN", *binance.klines[7][5:]]
    assert work(ask()).state == "failed"
    download = work(ask(quarantine=True))
    assert download.state == "succeeded", download.reason
    assert warnings(download.dataset) == {"rows_quarantined": 1, "gaps": 1}
    assert download.dataset.quality["quarantined"]["rows"][0]["row"] == "2024-01-01 07:00"
    assert download.dataset.n_rows == 2499


def test_too_many_broken_candles_are_refused_even_where_quarantine_is_chosen(binance):
    binance.klines[:500] = [[row[0], "0", *row[2:]] for row in binance.klines[:500]]
    download = work(ask(quarantine=True))
    assert download.state == "failed"
    assert "500 of 2,500 rows are bad" in download.reason


def test_overlapping_answers_are_the_same_bars_once(binance):
    overlap = changes(lambda rows: [kline(990 + hour) for hour in range(len(rows))])
    binance.faults.extend([changes(lambda rows: rows), overlap])
    download = work(ask())
    assert query_bars(download.dataset).timestamps.size == 2500


def test_a_candle_that_comes_twice_in_different_versions_is_refused_or_resolved(binance):
    twice = changes(lambda rows: [*rows[:5], kline(4, price=41_000), *rows[5:]])
    binance.faults.append(twice)
    refused = work(ask())
    assert "two different candles of 2024-01-01 04:00 UTC (1 such times)" in refused.reason
    binance.faults.append(twice)
    resolved = work(ask(keep="last"))
    assert warnings(resolved.dataset) == {"duplicates_resolved": 1}
    assert query_bars(resolved.dataset).open[4] == 41_000
    assert resolved.dataset.quality["duplicates"] == 1


def test_holes_in_the_history_are_gaps_and_even_a_hole_longer_than_a_page_is_crossed(binance):
    del binance.klines[100:1700]
    download = work(ask(options={"page_size": 200}))
    assert download.dataset.n_rows == 900
    assert warnings(download.dataset) == {"gaps": 1}


def test_a_windowed_exchange_with_empty_answers_is_asked_on(binance, monkeypatch):
    del binance.klines[100:1700]

    def windowed(query):
        start, size = int(query["startTime"]), int(query["limit"])
        return [
            row
            for row in binance.klines
            if start <= row[0] < start + size * HOUR_MS and row[0] <= binance.now_ms
        ]

    monkeypatch.setattr(binance, "answer", windowed)
    download = work(ask(options={"page_size": 200}))
    assert (download.state, download.dataset.n_rows) == ("succeeded", 900)


def test_a_history_that_starts_later_says_so(binance):
    del binance.klines[:50]
    assert warnings(work(ask()).dataset) == {"history_starts_later": 1}


def test_a_skewed_clock_does_not_let_an_unfinished_bar_in(binance):
    # the stand-in's clock is years behind this machine's: by ours its last bar would have ended long ago
    download = work(ask())
    assert download.skew_seconds < -3600
    assert download.dataset.last_us == (START_MS + 2499 * HOUR_MS) * 1000
    assert "clock_skew" in {item["code"] for item in download.dataset.quality["warnings"]}


def test_an_unknown_symbol_ends_the_run_with_what_should_be_written(binance):
    download = work(request_download("binance", "NO/SUCH", "1h", SINCE, trigger=Trigger.COMMAND))
    assert download.state == "failed"
    assert "symbol should be traded at Binance, is 'NO/SUCH'" in download.reason


def test_an_exchange_without_any_bar_ends_in_a_sentence(binance):
    binance.klines.clear()
    assert "no finished candles" in work(ask()).reason


def test_an_attempt_goes_on_at_the_cursor_of_the_last_one_with_the_same_result(binance):
    undisturbed = work(ask())
    binance.asked.clear()
    binance.faults.extend([changes(lambda rows: rows), fails(503), fails(503), fails(503), fails(503)])
    interrupted = ask()
    fence = services.claim("download", interrupted.pk)
    context = RunContext("download", interrupted.pk, fence)
    with pytest.raises(Exception, match="exchange unavailable"):
        from trainingday.downloads.fetch import execute

        execute(context)
    Download.objects.filter(pk=interrupted.pk).update(state="queued")  # as after a kill
    binance.now_ms += 5 * HOUR_MS  # what ended since then is for the next refresh
    binance.klines += [kline(hour) for hour in range(2501, 2506)]
    finished = work(interrupted)
    assert finished.dataset == undisturbed.dataset
    starts = [int(query["startTime"]) for query in binance.asked]
    assert starts.count(START_MS) == 1
    assert finished.n_candles == 2500
