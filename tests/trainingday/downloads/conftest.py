from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.trainingday.downloads.exchange import HOUR_MS, START_MS, FakeBinance, kline, serve
from trainingday.markets.exchange import client


@pytest.fixture
def binance(settings, tmp_path, monkeypatch) -> Iterator[FakeBinance]:
    """Serve 2,500 finished hours and one that has begun; pauses between questions are short."""
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"
    fake = FakeBinance([kline(hour) for hour in range(2501)], START_MS + 2500 * HOUR_MS + HOUR_MS // 2)
    monkeypatch.setattr(client, "PAUSES", (0.01, 0.02, 0.03))
    with serve(fake):
        settings.TRAININGDAY_EXCHANGE_ADDRESSES = {"binance": fake.address}
        monkeypatch.setenv("TEST_EXCHANGE_ADDRESSES", f"binance={fake.address}")
        yield fake
