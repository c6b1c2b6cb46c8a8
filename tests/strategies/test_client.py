import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from types import SimpleNamespace

import pytest
from websockets.sync.server import serve

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


SIGNAL = {
    "market": "SP500-1d", "state": "champion", "position": 1.0, "since": "2024-01-02T00:00:00Z",
    "bar": "2024-01-03T00:00:00Z", "decided_at": "2024-01-04T00:00:00Z", "age_seconds": 3.0,
    "is_stale": False, "dataset": {"version": 1}, "champion": {"id": 1},
}  # fmt: skip


@contextmanager
def server_of(handle):
    """A WebSocket server that plays what the product would."""
    with serve(handle, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Client(f"http://127.0.0.1:{server.socket.getsockname()[1]}", "a-token")
        server.shutdown()


def test_a_bot_is_told_of_changes_and_comes_back_after_a_break(monkeypatch):
    asked, pauses = [], []
    # Its own name only: other threads of this process go on sleeping as they do.
    monkeypatch.setattr("trainingday.client.time", SimpleNamespace(sleep=pauses.append))

    def handle(socket):
        asked.append((socket.request.path, socket.request.headers["Authorization"]))
        socket.send(json.dumps({"type": "pong"}))
        socket.send(json.dumps({"type": "signal", "signal": {**SIGNAL, "position": float(len(asked))}}))

    with server_of(handle) as bot:
        told = list(islice(bot.signals("SP500-1d"), 3))
    assert [signal.position for signal in told] == [1.0, 2.0, 3.0]
    assert told[0].since == datetime(2024, 1, 2, tzinfo=UTC) and told[0].is_tradable
    assert set(asked) == {("/ws/signals/?market=SP500-1d", "Token a-token")}
    assert pauses == [1.0, 1.0]


@pytest.mark.parametrize(("code", "status"), [(4401, 401), (4404, 404)])
def test_a_socket_closed_for_good_says_why(code, status):
    refusing = server_of(lambda socket: socket.close(code, "because"))
    with refusing as bot, pytest.raises(ApiError, match="because") as caught:
        next(bot.signals("SP500-1d"))
    assert caught.value.status == status


def test_the_servers_error_is_the_reason():
    def handle(socket):
        socket.send(json.dumps({"type": "error", "code": "not_found", "message": "no market is called X"}))
        socket.close(4404)

    with server_of(handle) as bot, pytest.raises(ApiError, match="no market is called X"):
        next(bot.signals("X"))


def test_a_server_that_cannot_be_reached_is_tried_again_and_again(monkeypatch):
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr("trainingday.client.time", SimpleNamespace(sleep=sleep))
    with pytest.raises(KeyboardInterrupt):
        next(Client("http://127.0.0.1:9", "a-token").signals("SP500-1d"))
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
