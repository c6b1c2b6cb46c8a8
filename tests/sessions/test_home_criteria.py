"""The success criteria over sessions, where the home page shows them."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from strategies.models import Champion, Strategy
from tests import pages
from trainingday.stats.criteria_overview import HEADINGS
from trainingday.stats.criterion import DRAWDOWN, PATTERNS, SHARPE

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(pages.make_user("viewer"))
    return client


def add_sessions(name: str, n: int) -> None:
    market = pages.make_market(name)
    dataset = pages.make_dataset(market)
    rows = [
        SHARPE.decided(None, None, None, 0, False, "Sealed"),
        PATTERNS.decided(1.0, None, None, 936, False, ""),
        DRAWDOWN.decided(0.03, 0.01, 0.05, 900, True, ""),
    ]
    for _ in range(n):
        pages.make_session(market, dataset, report={"criteria": [row.as_dict() for row in rows]})
    pages.make_session(market, dataset, state="failed")
    strategy = Strategy.objects.create(market=market, family="breakout", fingerprint="x")
    Champion.objects.create(market=market, strategy=strategy, reason="a test")


def test_each_criterion_has_its_share_interval_n_and_measure(viewer):
    add_sessions("BTC/USD", 8)
    text = " ".join(viewer.get("/").content.decode().split())
    assert "Success criteria over 8 sessions" in text
    for heading in HEADINGS:
        assert heading.title in text
    assert "0 of 8 sessions" in text and "0 % to 37 %" in text  # Clopper-Pearson: 1 - 0.025 ** (1/8)
    assert "8 of 8 sessions" in text and "63 % to 100 %" in text
    assert "3.0 % to 3.0 %, n = 8" in text
    assert text.count("✓ met") == 1 and text.count("✗ not met") == 2


def test_home_costs_the_same_queries_however_many_sessions(viewer):
    add_sessions("BTC/USD", 1)
    counts = []
    for name in ("ETH/USD", "SOL/USD"):
        add_sessions(name, 5)
        with CaptureQueriesContext(connection) as captured:
            assert viewer.get("/").status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 8


def test_before_the_first_session_it_says_when_they_are_measured(viewer):
    assert "Measured once a training session has ended" in viewer.get("/").content.decode()
