"""The progress socket: origin, sign-in, snapshot, replay, live, limits."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import channel_layers
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore

from patterns.models import PatternScan
from patterns.services import request_scan
from tests.conftest import make_market
from tests.markets import gaussian_bars
from tests.redis import own_redis
from tests.websocket import WebSocket
from trainingday.asgi import application
from trainingday.markets.models import Market
from trainingday.runs import live_socket, services, sign_ins
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunState, Trigger
from trainingday.runs.relay import Subscription

pytestmark = pytest.mark.django_db(transaction=True)
SITE = b"http://testserver"


@pytest.fixture
def context(transactional_db: None) -> RunContext:
    scan = request_scan(make_market(gaussian_bars(1500, seed=3)), trigger=Trigger.COMMAND)
    return RunContext("scan", scan.pk, services.claim("scan", scan.pk) or 0)


@pytest.fixture
def cookie(transactional_db: None, make_user: Callable[[str], User]) -> str:
    return signed_in_cookie(make_user("viewer"))


def signed_in_cookie(user: User) -> str:
    """Return the session cookie of a browser in which the user has signed in."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


@asynccontextmanager
async def socket(
    path: str, cookie: str = "", origin: bytes | None = SITE, host: bytes = b"testserver"
) -> AsyncIterator[Any]:
    headers = [(b"host", host)]
    if origin is not None:
        headers.append((b"origin", origin))
    if cookie:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    communicator = WebSocket(application, path, headers)
    try:
        yield communicator
    finally:
        await communicator.disconnect()


async def frames(communicator: Any, n: int) -> list[dict[str, Any]]:
    return [json.loads((await communicator.receive_output(5))["text"]) for _ in range(n)]


async def close_code(communicator: Any, timeout: float = 5) -> int:
    async with asyncio.timeout(timeout):
        while True:
            message = await communicator.receive_output(timeout)
            if message["type"] == "websocket.close":
                return int(message["code"])


@pytest.mark.parametrize(
    "origin",
    [
        None,
        b"null",
        b"http://elsewhere",
        b"http://testserver:8080",
        b"https://testserver",
        b"javascript://testserver",
    ],
)
async def test_another_origin_is_refused(origin: bytes | None, context: RunContext, cookie: str) -> None:
    async with socket(f"/ws/runs/scan-{context.pk}/", cookie, origin) as communicator:
        connected = await communicator.connect()
        assert not connected


async def test_an_unknown_host_is_refused(context: RunContext, cookie: str) -> None:
    async with socket(f"/ws/runs/scan-{context.pk}/", cookie, b"http://evil", b"evil") as communicator:
        connected = await communicator.connect()
        assert not connected


async def test_anonymous_sockets_are_closed_with_4401(context: RunContext) -> None:
    async with socket(f"/ws/runs/scan-{context.pk}/") as communicator:
        await communicator.connect()
        assert await close_code(communicator) == 4401


async def test_it_sends_the_snapshot_then_replays_then_goes_live(context: RunContext, cookie: str) -> None:
    emit = database_sync_to_async(context.emit)
    await emit("note", {"text": "one"})
    await emit("note", {"text": "two"})
    async with socket(f"/ws/runs/scan-{context.pk}/?since=1", cookie) as communicator:
        await communicator.connect()
        snapshot, replayed = await frames(communicator, 2)
        assert (snapshot["type"], snapshot["run"]["state"]) == ("run", "running")
        assert (replayed["seq"], replayed["payload"]) == (2, {"text": "two"})
        await emit("note", {"text": "three"})
        live = [frame for frame in await frames(communicator, 2) if frame["type"] == "event"]
        assert [frame["seq"] for frame in live] == [3]
        await database_sync_to_async(context.finish)(RunState.SUCCEEDED, "done")
        last = await frames(communicator, 2)
        assert {frame["type"] for frame in last} == {"event", "run"}
        assert next(frame for frame in last if frame["type"] == "run")["run"]["state"] == "succeeded"


@pytest.mark.redis
@pytest.mark.only_on_sqlite
async def test_a_socket_lives_on_although_the_channel_layer_dies(
    context: RunContext, cookie: str, settings: Any
) -> None:
    with own_redis() as (url, server):
        layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [url]}}
        settings.CHANNEL_LAYERS = {"default": layer}
        channel_layers.backends = {}
        try:
            async with socket(f"/ws/runs/scan-{context.pk}/", cookie) as communicator:
                await communicator.connect()
                await frames(communicator, 1)
                server.kill()
                server.wait()
                await database_sync_to_async(context.emit)("note", {"text": "after its death"})
                found = [frame for frame in await frames(communicator, 2) if frame["type"] == "event"]
                assert [frame["payload"] for frame in found] == [{"text": "after its death"}]
                await communicator.send_input({"type": "websocket.receive", "text": '{"type": "ping"}'})
                assert await frames(communicator, 1) == [{"type": "pong"}]
        finally:
            channel_layers.backends = {}


@pytest.mark.parametrize("since", ["-1", "999999", "x", "", "1e400"])
async def test_an_unknown_position_replays_everything(since: str, context: RunContext, cookie: str) -> None:
    await database_sync_to_async(context.emit)("note", {"text": "one"})
    async with socket(f"/ws/runs/scan-{context.pk}/?since={since}", cookie) as communicator:
        await communicator.connect()
        assert [frame.get("seq") for frame in await frames(communicator, 2)] == [None, 1]


async def test_nothing_is_lost_or_doubled_over_reconnects_while_events_arrive(
    context: RunContext, cookie: str
) -> None:
    async def write() -> None:
        for number in range(60):
            await database_sync_to_async(context.emit)("note", {"n": number})

    writer = asyncio.create_task(write())
    seen: list[int] = []
    while len(seen) < 60:
        since = seen[-1] if seen else 0
        async with socket(f"/ws/runs/scan-{context.pk}/?since={since}", cookie) as communicator:
            await communicator.connect()
            for _ in range(12):
                if len(seen) == 60:
                    break
                (frame,) = await frames(communicator, 1)
                if frame["type"] == "event":
                    seen.append(frame["seq"])
    await writer
    assert seen == list(range(1, 61))


@pytest.mark.parametrize("name", ["scan-999999", "nothing-1", "x"])
async def test_an_unknown_run_is_closed_with_4404(name: str, context: RunContext, cookie: str) -> None:
    async with socket(f"/ws/runs/{name}/", cookie) as communicator:
        await communicator.connect()
        assert await close_code(communicator) == 4404


@pytest.mark.parametrize(
    ("message", "code"), [({"text": "{"}, 4400), ({"data": b"x"}, 1003), ({"text": "x" * 70_000}, 1009)]
)
async def test_bad_messages_close_the_socket(
    message: dict[str, Any], code: int, context: RunContext, cookie: str
) -> None:
    async with socket("/ws/runs/", cookie) as communicator:
        await communicator.connect()
        await communicator.send(**message)
        assert await close_code(communicator) == code


@pytest.mark.parametrize("text", ['{"type": "dance"}', "{}", "[]", "7", '{"type": ["x"]}'])
async def test_an_unknown_type_is_answered_and_the_socket_stays(
    text: str, context: RunContext, cookie: str
) -> None:
    async with socket("/ws/runs/", cookie) as communicator:
        await communicator.connect()
        await communicator.send(text=text)
        (error,) = await frames(communicator, 1)
        assert (error["type"], error["code"]) == ("error", "unknown_type")
        await communicator.send(text='{"type": "ping"}')
        assert await frames(communicator, 1) == [{"type": "pong"}]


async def test_a_socket_watches_twenty_runs_and_refuses_the_next(
    context: RunContext, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "MAX_MESSAGES_PER_SECOND", 100)  # the speed limit is another test's
    market = await database_sync_to_async(Market.objects.get)()
    runs = await database_sync_to_async(
        lambda: PatternScan.objects.bulk_create(
            [
                PatternScan(market=market, dataset=market.datasets.get(), seed=seed, state="failed")
                for seed in range(20)
            ]
        )
    )()
    async with socket(f"/ws/runs/scan-{context.pk}/", cookie) as communicator:
        await communicator.connect()
        await frames(communicator, 1)
        for run in runs:
            await communicator.send(text=json.dumps({"type": "subscribe", "run": f"scan-{run.pk}"}))
        watched: set[str] = set()
        while (frame := (await frames(communicator, 1))[0])["type"] == "run":
            watched.add(frame["run"]["id"])
        assert (frame["code"], frame["message"]) == ("limit", "limit 20 per socket")
        assert watched | {f"scan-{context.pk}"} == {
            f"scan-{context.pk}",
            *(f"scan-{r.pk}" for r in runs[:19]),
        }


async def test_more_than_twenty_messages_a_second_close_the_socket(context: RunContext, cookie: str) -> None:
    async with socket("/ws/runs/", cookie) as communicator:
        await communicator.connect()
        for _ in range(21):
            await communicator.send(text='{"type": "ping"}')
        assert await close_code(communicator) == 4429


@pytest.mark.parametrize("what", ["logout", "deactivate"])
async def test_a_signed_out_user_is_closed_within_seconds(
    what: str, context: RunContext, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_ins, "SECONDS_BETWEEN_CHECKS", 0.2)
    async with socket(f"/ws/runs/scan-{context.pk}/", cookie) as communicator:
        await communicator.connect()
        await frames(communicator, 1)
        if what == "logout":
            await database_sync_to_async(SessionStore(cookie).delete)()
        else:
            await database_sync_to_async(User.objects.update)(is_active=False)
        assert await close_code(communicator) == 4401


async def test_a_client_that_never_reads_is_closed(context: RunContext) -> None:
    subscription = Subscription(key=("scan", context.pk))
    for _ in range(live_socket.QUEUE_SIZE + 1):
        subscription.push({})
    assert subscription.is_overrun
    assert await database_sync_to_async(PatternScan.objects.count)() == 1
