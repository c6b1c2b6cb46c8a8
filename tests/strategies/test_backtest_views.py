import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from strategies import backtest_views
from strategies.library.registry import families
from tests import pages
from tests.markets import gaussian_bars
from tests.strategies.helpers import null_market, store

pytestmark = pytest.mark.django_db


def signed_in(role: str = "viewer") -> Client:
    client = Client()
    client.force_login(pages.make_user(role))
    return client


def query(slug: str, **fields: str) -> dict[str, str]:
    return {
        "market": slug,
        "strategy": "momentum",
        "p-lookback": "20",
        "p-threshold": "0.01",
        "run": "1",
        **fields,
    }


def test_anonymous_visitors_are_sent_to_log_in(client):
    assert client.get(reverse("strategies:backtest")).status_code == 302
    assert client.get(reverse("strategies:backtest-csv", args=["equity"])).status_code == 302


def test_a_viewer_opens_the_address_of_a_result():
    market, _, _ = null_market()
    page = signed_in("viewer").get(reverse("strategies:backtest"), query(market.slug))
    text = page.content.decode()
    assert page.status_code == 200
    assert "momentum lookback=20 threshold=0.01" in text
    assert "is missing on purpose" in text
    for name in ("equity-data", "drawdown-data", "price-data"):
        assert f'id="{name}"' in text  # the plot's data, and its table behind it
    assert text.count("The same as a table") == 3
    assert text.count('class="heat"') == 2


def test_the_page_only_reads():
    market, _, _ = null_market()
    assert signed_in("operator").post(reverse("strategies:backtest"), query(market.slug)).status_code == 405


@pytest.mark.parametrize("family", list(families()))
def test_every_family_shows_its_parameters_with_range_and_meaning(family):
    null_market()
    text = signed_in().get(reverse("strategies:backtest"), {"strategy": family}).content.decode()
    for parameter in families()[family].parameters:
        assert f'name="p-{parameter.name}"' in text
        assert f"{parameter.low:g} to {parameter.high:g}." in text


def test_htmx_gets_the_fields_alone():
    headers = {"HX-Request": "true", "HX-Target": "parameters"}
    text = (
        signed_in()
        .get(reverse("strategies:backtest"), {"strategy": "macd"}, headers=headers)
        .content.decode()
    )
    assert "p-signal" in text and "<html" not in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"p-lookback": "0"}, "lookback should be 2..500, is 0"),
        ({"p-lookback": "2.5"}, "lookback should be a whole number, is 2.5"),
        ({"p-lookback": "nan"}, "Enter a number"),
        ({"fee": "1.5"}, "fee should be 0..0.1, is 1.5"),
        ({"slippage": "-1"}, "slippage should be 0..0.1, is -1"),
        ({"strategy": "os.system"}, "Select a valid choice"),
        ({"market": "NOWHERE-1h"}, "No market of this name holds bars"),
        ({"market": "\x00"}, "Null characters are not allowed"),
        ({"segment": "test"}, "Select a valid choice"),
        ({"segment": "forward"}, "Select a valid choice"),
    ],
)
def test_a_wrong_form_says_why_and_shows_no_result(fields, words):
    market, _, _ = null_market()
    page = signed_in().get(reverse("strategies:backtest"), query(market.slug, **fields))
    assert page.status_code == 422
    assert words in page.content.decode()
    assert "equity-data" not in page.content.decode()
    files = signed_in_again(page).get(
        reverse("strategies:backtest-csv", args=["trades"]), query(market.slug, **fields)
    )
    assert files.status_code == 404


def signed_in_again(page) -> Client:
    client = Client()
    client.force_login(page.wsgi_request.user)
    return client


def test_a_long_history_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setattr(backtest_views, "MAX_BARS", 2999)
    market, _, _ = null_market()
    page = signed_in().get(reverse("strategies:backtest"), query(market.slug))
    assert page.status_code == 422
    assert "manage.py backtest" in page.content.decode()


@pytest.mark.parametrize("table", ["equity", "trades"])
def test_the_files_of_a_result_download(table):
    market, _, _ = null_market()
    client = signed_in()
    text = client.get(reverse("strategies:backtest"), query(market.slug)).content.decode()
    address = re.search(rf'href="(/backtest/{table}\.csv\?[^"]+)"', text)[1].replace("&amp;", "&")
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert (
        client.get(reverse("strategies:backtest-csv", args=["weights"]), query(market.slug)).status_code
        == 404
    )


def test_the_number_of_queries_is_constant():
    market, _, _ = null_market()
    client = signed_in()

    def n_queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse("strategies:backtest"), query(market.slug)).status_code == 200
        return len(captured)

    few = n_queries()
    for number in range(5):
        store(f"M{number}", gaussian_bars(1500, number))
        store("NULL", gaussian_bars(3000 + number, 50 + number))
    assert n_queries() == few <= 8
