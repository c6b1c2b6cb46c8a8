"""The signal socket: sign-in by token or session, the payload of GET, pushed as bars and champions change."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from channels.db import database_sync_to_async as on_thread
from django.utils import timezone
from rest_framework.test import APIClient

from strategies import signal_relay, signals
from strategies.exam import crown
from strategies.positions import get_or_create_strategy
from tests.markets import gaussian_bars
from tests.strategies.helpers import make_user, null_market, save_model
from tests.websocket import WebSocket
from trainingday.access import tokens
from trainingday.access.models import ApiToken
from trainingday.asgi import application
from trainingday.markets.services import load_bars
from trainingday.permissions import VIEWER
from trainingday.runs import sign_ins

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def followed(transactional_db, monkeypatch):
    monkeypatch.setattr(signal_relay, "SECONDS_BETWEEN_LOOKS", 0.05)
    market, _, bars = null_market()
    crown(market, get_or_create_strategy(market, "breakout", {}), reason="a test")
    return market, bars


@pytest.fixture
def token(transactional_db):
    return tokens.make(make_user(VIEWER))


@asynccontextmanager
async def socket(market, token, *headers):
    given = [(b"host", b"testserver"), *headers]
    if token:
        given.append((b"authorization", f"Token {token}".encode()))
    client = WebSocket(application, f"/ws/signals/?market={market}", given)
    try:
        yield client
    finally:
        await client.disconnect()


async def frame(client):
    return json.loads((await client.receive_output(10))["text"])


async def close_code(client):
    async with asyncio.timeout(10):
        while (message := await client.receive_output(10))["type"] != "websocket.close":
            pass
    return message["code"]


async def test_it_tells_a_bot_with_a_token_what_get_answers(followed, token):
    market, _ = followed
    api = APIClient(headers={"authorization": f"Token {token}"})
    async with socket(market.slug, token) as client:
        assert await client.connect()
        told = await frame(client)
        answer = (await on_thread(api.get)(f"/api/v1/signals/?market={market.slug}")).json()
    assert told["type"] == "signal"
    ages = told["signal"].pop("age_seconds"), answer.pop("age_seconds")
    assert told["signal"] == answer
    assert 0 <= ages[1] - ages[0] < 30


async def test_new_bars_are_pushed(followed, token):
    market, bars = followed
    async with socket(market.slug, token) as client:
        await client.connect()
        before = (await frame(client))["signal"]
        await on_thread(load_bars)(market, gaussian_bars(len(bars) + 10, 1), "newer")
        after = (await frame(client))["signal"]
    assert after["bar"] > before["bar"]
    assert after["dataset"]["version"] == before["dataset"]["version"] + 1


async def test_a_new_champion_is_pushed_and_so_is_having_none(followed, token):
    market, _ = followed
    async with socket(market.slug, token) as client:
        await client.connect()
        await frame(client)
        model = await on_thread(get_or_create_strategy)(
            market, "ml_model", {}, save_model(bias=(0.0, 0.0, 1.0))
        )
        await on_thread(lambda: crown(market, model, reason="a test"))()
        told = (await frame(client))["signal"]
        assert (told["champion"]["family"], told["position"]) == ("ml_model", 1.0)
        await on_thread(model.reigns.update)(until=timezone.now())
        assert (await frame(client))["signal"]["state"] == "no_champion"


async def test_becoming_stale_is_pushed_and_growing_older_is_not(followed, token, monkeypatch):
    market, _ = followed
    monkeypatch.setattr(signals, "stale_after", lambda market: timedelta(days=36500))
    async with socket(market.slug, token) as client:
        await client.connect()
        assert not (await frame(client))["signal"]["is_stale"]
        assert await client.receive_nothing(0.3)
        monkeypatch.setattr(signals, "stale_after", lambda market: timedelta(0))
        assert (await frame(client))["signal"]["is_stale"]


@pytest.mark.parametrize("header", ["", "Token ", "Token " + "0" * 64, "Basic abc", "Token ä"])
async def test_without_a_good_token_it_is_closed_with_4401_or_refused(followed, header):
    market, _ = followed
    given = [(b"authorization", header.encode("latin-1"))] if header else []
    async with socket(market.slug, "", *given) as client:
        if await client.connect():
            assert await close_code(client) == 4401
        else:
            assert not header


async def test_a_page_of_another_site_is_refused_even_with_a_token(followed, token):
    async with socket(followed[0].slug, token, (b"origin", b"http://elsewhere")) as client:
        assert not await client.connect()


@pytest.mark.parametrize("what", ["revoked", "expired", "deactivated"])
async def test_a_token_that_ends_closes_the_socket(followed, token, what, monkeypatch):
    monkeypatch.setattr(sign_ins, "SECONDS_BETWEEN_CHECKS", 0.1)
    async with socket(followed[0].slug, token) as client:
        await client.connect()
        await frame(client)
        rows = ApiToken.objects.all()
        if what == "revoked":
            await on_thread(rows.delete)()
        elif what == "expired":
            await on_thread(rows.update)(expiry=timezone.now())
        else:
            user = await on_thread(lambda: rows.select_related("user").get().user)()
            user.is_active = False
            await on_thread(user.save)()
        assert await close_code(client) == 4401


@pytest.mark.parametrize("slug", ["", "NOWHERE-1h", "%00"])
async def test_an_unknown_market_is_closed_with_4404(followed, token, slug):
    async with socket(slug, token) as client:
        await client.connect()
        assert (await frame(client))["code"] == "not_found"
        assert await close_code(client) == 4404


async def test_it_answers_a_ping_and_refuses_other_messages(followed, token):
    async with socket(followed[0].slug, token) as client:
        await client.connect()
        await frame(client)
        await client.send(text='{"type": "ping"}')
        assert await frame(client) == {"type": "pong"}
        await client.send(text='{"type": "subscribe"}')
        assert (await frame(client))["code"] == "unknown_type"


async def test_one_broken_market_does_not_silence_the_others(followed, token, monkeypatch):
    market, bars = followed
    other, _, _ = await on_thread(null_market)("OTHER")
    model = await on_thread(get_or_create_strategy)(other, "ml_model", {}, save_model())
    await on_thread(lambda: crown(other, model, reason="a test"))()
    async with socket(market.slug, token) as client, socket(other.slug, token) as broken:
        for each in (client, broken):
            await each.connect()
            await frame(each)
        await on_thread(type(model).objects.filter(pk=model.pk).update)(artifact="f" * 64, fingerprint="f")
        signals._cache.clear()
        await on_thread(load_bars)(market, gaussian_bars(len(bars) + 10, 1), "newer")
        assert (await frame(client))["signal"]["dataset"]["version"] == 2
        assert await broken.receive_nothing(0.1)
