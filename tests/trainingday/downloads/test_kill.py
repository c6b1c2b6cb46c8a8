"""A download whose child is killed, or asked to stop, while a real server keeps it waiting."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import numpy as np
import psutil
import pytest
from django.db import connection

from tests.trainingday.downloads.exchange import HOUR_MS, START_MS
from trainingday.downloads.models import Download, DownloadPage
from trainingday.downloads.services import request_download
from trainingday.markets.models import Dataset
from trainingday.markets.queries import query_bars
from trainingday.runs import services
from trainingday.runs.models import Trigger
from trainingday.runs.supervisor import supervise

SINCE = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def waiting(binance, settings, child_database):
    """Return the stand-in, whose third answer waits for its gate, and a supervisor at work on a download."""
    settings.TRAININGDAY_DATASETS = settings.TRAININGDAY_HOME / "datasets"  # the child's own
    binance.gate, binance.after = threading.Event(), 2
    download = request_download("binance", "BTC/USDT", "1h", SINCE, trigger=Trigger.COMMAND)

    def work() -> None:
        try:
            supervise("download", download.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert binance.is_waiting.wait(60)
    yield binance, download, thread
    binance.gate.set()
    thread.join(30)


def child_of(download: Download) -> psutil.Process:
    wanted = ["trainingday.runs.child", "download", str(download.pk)]
    children = psutil.Process().children(recursive=True)
    return next(child for child in children if child.cmdline()[2:5] == wanted)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_killed_download_goes_on_with_its_committed_pages(waiting):
    binance, download, thread = waiting
    child_of(download).kill()
    thread.join(30)
    download.refresh_from_db()
    assert (download.state, download.n_candles) == ("queued", 2000)
    assert "SIGKILL" in download.reason
    binance.gate.set()
    supervise("download", download.pk)
    download.refresh_from_db()
    assert (download.state, download.attempts) == ("succeeded", 2), download.reason
    starts = [int(query["startTime"]) for query in binance.asked]
    assert starts == [START_MS + hours * HOUR_MS for hours in (0, 1000, 2000, 2000)]
    stamps = query_bars(download.dataset).timestamps
    assert np.array_equal(stamps, (START_MS + HOUR_MS * np.arange(2500)) * 1000)
    assert not DownloadPage.objects.exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_cancelled_download_stops_although_the_exchange_is_silent_and_stores_nothing(waiting):
    _, download, thread = waiting
    services.cancel(download)
    thread.join(15)
    assert not thread.is_alive()
    download.refresh_from_db()
    assert download.state == "cancelled"
    assert not Dataset.objects.exists()
