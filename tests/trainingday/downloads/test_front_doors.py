"""Downloads through pages, API, command and schedule: who may start one, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from tests.markets import gaussian_bars
from trainingday.downloads import services, views
from trainingday.downloads.models import Download
from trainingday.exceptions import InvalidArgument
from trainingday.markets.exchange import client as exchange_client
from trainingday.markets.exchange.exchanges import EXCHANGES
from trainingday.markets.models import Market
from trainingday.markets.services import load_bars
from trainingday.runs.models import ScheduleFiring, TrainingSchedule, Trigger
from trainingday.runs.schedules import fire_due

pytestmark = pytest.mark.django_db
API = "/api/v1/downloads/"
SERIES = {"exchange": "binance", "symbol": "BTC/USDT", "interval": "1h", "since": "2024-01-01T00:00:00Z"}


@pytest.fixture(autouse=True)
def datasets(settings, tmp_path):
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"


@pytest.fixture
def operator(client, make_user):
    client.force_login(make_user("operator"))
    return client


@pytest.fixture
def traded(db) -> Market:
    """Return a market of an exchange on the list, with bars."""
    market = Market.objects.create(symbol="BTC/USDT", venue="binance", interval=3600)
    load_bars(market, gaussian_bars(500, seed=3), "test")
    return market


def post(client, **fields):
    return client.post(API, fields, content_type="application/json")


def test_the_api_starts_a_download_and_names_its_run(operator):
    answer = post(operator, **SERIES)
    assert answer.status_code == 202, answer.content
    run = Download.objects.get()
    assert answer["Location"] == f"/api/v1/runs/download-{run.pk}/"
    assert (run.market.slug, run.state, run.trigger) == ("BTCUSDT-1h", "queued", "api")
    assert operator.get(answer["Location"]).json()["kind"] == "download"
    assert operator.get(f"{API}{run.pk}/").json()["exchange"] == "binance"
    assert post(operator, **SERIES).status_code == 409


def test_one_idempotency_key_starts_one_download(operator):
    answers = [
        operator.post(API, SERIES, content_type="application/json", headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert Download.objects.count() == 1


def test_the_api_refreshes_a_market_from_its_last_bars_on(operator, traded):
    assert post(operator, market="btcusdt-1h").status_code == 202
    run = Download.objects.get()
    newest = traded.datasets.get()
    assert run.is_refresh
    assert run.base == newest
    assert run.since_us == newest.last_us - 4 * 3600 * 10**6


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"exchange": "mtgox"}, "unknown exchange"),
        ({"exchange": "../binance"}, "unknown exchange"),
        ({"exchange": "Exchange"}, "unknown exchange"),
        ({"options": {"urls": {"api": "http://169.254.169.254"}}}, "option not allowed: 'urls'"),
        ({"options": {"hostname": "evil.example"}}, "option not allowed: 'hostname'"),
        ({"options": {"proxyUrl": "http://evil.example"}}, "option not allowed: 'proxyUrl'"),
        ({"options": {"verbose": True}}, "option not allowed: 'verbose'"),
        ({"options": {"timeout_seconds": 1e9}}, "timeout_seconds should be 1..60"),
        ({"options": {"timeout_seconds": True}}, "timeout_seconds should be 1..60"),
        ({"options": {"page_size": 5000}}, "page_size should be 1..1000"),
        ({"interval": "10m"}, "interval should be one of"),
        ({"since": "1999-01-01T00:00:00Z"}, "since should be"),
        ({"since": "2999-01-01T00:00:00Z"}, "since should be"),
        ({"interval": "1m", "since": "2010-01-01T00:00:00Z"}, "at most 5,000,000 bars"),
        ({"market": "x"}, "not valid"),
        ({"colour": "red"}, "not valid"),
    ],
)
def test_a_bad_request_is_400_and_starts_nothing(operator, changed, sentence):
    answer = post(operator, **{**SERIES, **changed})
    assert answer.status_code == 400
    assert sentence in answer.json()["detail"]
    assert not Download.objects.exists()
    assert not Market.objects.exists()


def test_a_request_without_a_start_is_400(operator):
    assert post(operator, exchange="binance", symbol="X/Y", interval="1h").json()["errors"].keys() == {
        "since"
    }
    assert post(operator, market="NONE-1d").status_code == 404


def test_only_operators_start_downloads(client, make_user, traded):
    assert post(client, **SERIES).status_code == 401
    client.force_login(make_user("viewer"))
    assert post(client, **SERIES).status_code == 403
    assert client.get(reverse("downloads:start")).status_code == 403
    assert client.post(reverse("downloads:refresh", args=[traded.slug])).status_code == 403
    assert client.get(reverse("downloads:list")).status_code == 200
    assert client.get(API).status_code == 200
    assert not Download.objects.exists()


def test_the_page_starts_a_download_and_shows_it(operator):
    form = {"exchange": "binance", "symbol": "BTC/USDT", "interval": "1h", "since": "2024-01-01"}
    answer = operator.post(reverse("downloads:start"), form)
    run = Download.objects.get()
    assert (answer.status_code, answer.url) == (302, run.get_absolute_url())
    page = operator.get(answer.url).content.decode()
    assert "Queued" in page
    assert 'data-live-run="download-' in page
    assert "download-" in operator.get(reverse("downloads:list")).content.decode()
    assert operator.post(reverse("downloads:start"), form).status_code == 409


def test_the_page_says_how_to_install_what_is_missing_and_the_api_refuses(operator, monkeypatch):
    for module in (services, views):
        monkeypatch.setattr(module, "is_installed", lambda: False)
    assert "pip install ccxt" in operator.get(reverse("downloads:start")).content.decode()
    answer = post(operator, **SERIES)
    assert answer.status_code == 422
    assert "pip install" in answer.json()["detail"]
    assert not Market.objects.exists()


def test_the_refresh_button_of_a_market_starts_a_refresh(operator, traded, market):
    address = reverse("downloads:refresh", args=[traded.slug])
    assert address in operator.get(traded.get_absolute_url()).content.decode()
    assert operator.post(address).url == Download.objects.get().get_absolute_url()
    other = reverse("downloads:refresh", args=[market.slug])
    assert other not in operator.get(market.get_absolute_url()).content.decode()
    assert "unknown exchange" in operator.post(other, follow=True).content.decode()
    assert operator.post(reverse("downloads:refresh", args=["NONE"])).status_code == 404


def test_the_list_takes_the_same_queries_for_more_downloads(operator, traded, django_assert_max_num_queries):
    def add(number: int) -> None:
        for index in range(number):
            market = Market.objects.create(symbol=f"{number}{index}/USD", venue="binance", interval=3600)
            Download.objects.create(market=market, exchange="binance", since_us=0, cursor_us=0, seed=0)

    add(1)
    with django_assert_max_num_queries(8) as few:
        operator.get(reverse("downloads:list"))
    add(20)
    with django_assert_max_num_queries(len(few)):
        operator.get(reverse("downloads:list"), {"sort": "-candles", "page": "x"})


def test_a_schedule_refreshes_and_one_of_another_venue_says_why_not(traded, market):
    now = timezone.now()
    for name, each in (("good", traded), ("bad", market)):
        TrainingSchedule.objects.create(name=name, market=each, job="download", cron="0 * * * *")
    TrainingSchedule.objects.update(next_run_at=now - timedelta(minutes=1))
    fire_due(now)
    run = Download.objects.get()
    assert (run.market, run.trigger, run.is_refresh) == (traded, Trigger.SCHEDULE, True)
    good, bad = (ScheduleFiring.objects.get(schedule__name=name) for name in ("good", "bad"))
    assert (good.outcome, good.run) == ("started", run.public_id)
    assert bad.outcome == "failed"
    assert "unknown exchange: 'test'" in bad.reason


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--exchange", "mtgox", "--symbol", "X", "--since", "2024-01-01"], "unknown exchange"),
        (["--exchange", "binance", "--symbol", "X"], "--since should be given"),
        (["--exchange", "binance", "--symbol", "X", "--since", "yesterday"], "--since should be a day"),
        (["--market", "NOWHERE"], "does not exist"),
    ],
)
def test_the_command_refuses_in_one_sentence_with_exit_code_2(arguments, sentence):
    err = StringIO()
    with pytest.raises(SystemExit) as stop:
        call_command("download", *arguments, stderr=err)
    assert stop.value.code == 2
    assert sentence in err.getvalue()
    assert err.getvalue().count("\n") == 1


def test_the_start_is_moved_to_the_next_bar(operator):
    since = datetime(2024, 1, 1, 0, 20, tzinfo=UTC)
    run = services.request_download("binance", "BTC/USDT", "1h", since, trigger=Trigger.COMMAND)
    assert run.since == datetime(2024, 1, 1, 1, tzinfo=UTC)


def test_every_exchange_of_the_list_is_what_ccxt_says_of_it():
    ccxt = pytest.importorskip("ccxt")
    for exchange in EXCHANGES.values():
        api = getattr(ccxt, exchange.id)()
        assert api.has["fetchOHLCV"], exchange.id
        assert set(exchange.intervals) <= set(api.timeframes), exchange.id
        most = ((api.features or {}).get("spot") or {}).get("fetchOHLCV", {}).get("limit")
        assert most is None or exchange.page_size <= most, exchange.id


def test_a_client_without_ccxt_says_what_to_install(monkeypatch):
    from trainingday.exceptions import ExchangeUnavailable
    from trainingday.markets.exchange.exchanges import DownloadOptions, find_exchange

    monkeypatch.setattr(exchange_client, "is_installed", lambda: False)
    asked = exchange_client.Client(
        find_exchange("binance"), "BTC/USDT", "1h", 3_600_000, DownloadOptions(), lambda seconds, why: None
    )
    with pytest.raises(ExchangeUnavailable, match="pip install"):
        asked.connect()
    with pytest.raises(InvalidArgument):
        find_exchange("ccxt")


def test_a_market_without_bars_is_listed_nowhere_until_it_has_some(operator, traded):
    """As it is left by a first download of a symbol that the exchange does not know."""
    assert post(operator, **(SERIES | {"symbol": "NOT/THERE"})).status_code == 202
    Download.objects.update(state="failed", reason="binance knows no NOT/THERE")
    left = Market.objects.get(symbol="NOT/THERE")
    addresses = ("markets:list", "home", "strategies:champions", "sessions:start", "strategies:start",
                 "patterns:start", "strategies:backtest", "sessions:settings")  # fmt: skip
    shown = [
        name
        for name in addresses
        if left.slug in operator.get(reverse(name)).content.decode().split("Failed in")[0]
    ]
    assert shown == []
    slugs = [row["slug"] for row in operator.get("/api/v1/markets/").json()["results"]]
    assert slugs == [traded.slug]
    assert left.slug in operator.get(reverse("downloads:list")).content.decode()
    load_bars(left, gaussian_bars(500, seed=4), "test")
    assert left.slug in operator.get(reverse("markets:list")).content.decode()
