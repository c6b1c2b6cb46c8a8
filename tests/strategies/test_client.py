from datetime import UTC, datetime

import pytest

from strategies.exam import crown
from strategies.models import Tournament
from strategies.positions import get_or_create_strategy
from tests.strategies.helpers import make_user, null_market
from trainingday.access import tokens
from trainingday.client import ApiError, Client
from trainingday.permissions import OPERATOR

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bot(live_server, monkeypatch):
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)
    token = tokens.make(make_user(OPERATOR), scope="operate")
    return Client(live_server.url, token)


def test_a_bot_reads_the_champions_position(bot):
    market, _, bars = null_market()
    crown(market, get_or_create_strategy(market, "breakout", {}), reason="a test")
    signal = bot.signal(market.slug)
    assert signal.position in (-1.0, 0.0, 1.0)
    assert signal.bar == datetime.fromtimestamp(int(bars.timestamps[-1]) / 1e6, UTC)
    assert signal.is_stale and not signal.is_tradable


def test_a_bot_holds_nothing_without_a_champion(bot):
    market, _, _ = null_market()
    signal = bot.signal(market.slug)
    assert (signal.position, signal.is_tradable) == (None, False)


def test_a_bot_starts_watches_and_cancels_a_tournament(bot):
    market, _, _ = null_market()
    name = bot.start_tournament(market.slug, key="one", n_generations=1, population_size=6)
    assert bot.start_tournament(market.slug, key="one", n_generations=1, population_size=6) == name
    assert name == Tournament.objects.get().public_id
    assert bot.run(name)["state"] == "queued"
    bot.cancel(name)
    assert bot.wait(name)["state"] == "cancelled"


def test_a_refusal_says_why(bot):
    with pytest.raises(ApiError) as caught:
        bot.signal("NOWHERE-1h")
    assert caught.value.status == 404
    assert "NOWHERE-1h" in caught.value.detail


def test_a_wrong_token_is_refused(live_server):
    with pytest.raises(ApiError) as caught:
        Client(live_server.url, "0" * 64).signal("SP500-1d")
    assert caught.value.status == 401


def test_lists_are_read_page_by_page(bot):
    market, _, _ = null_market()
    for period in range(3, 10):
        get_or_create_strategy(market, "breakout", {"period": period})
    rows = list(bot.pages("strategies/", page_size=3))
    assert len({row["id"] for row in rows}) == 7
