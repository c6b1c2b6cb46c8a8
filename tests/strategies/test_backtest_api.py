import csv
import io
import json

import pandas
import pytest
from rest_framework.test import APIClient

from strategies import backtest_api
from strategies.backtests import backtest_strategy
from tests.markets import gaussian_bars
from tests.strategies.helpers import make_user, null_market, room, store
from trainingday.markets.splits import DEFAULT_GAP
from trainingday.permissions import OPERATOR, VIEWER

pytestmark = pytest.mark.django_db
PATH = "/api/v1/backtests/"
FILES = [f"{table}.{kind}" for table in ("equity", "trades") for kind in ("csv", "parquet")]
PATHS = [PATH, *(PATH + name for name in FILES)]
MOMENTUM = {"strategy": "momentum", "parameters": {"lookback": 20, "threshold": 0.01}}


def client(role: str = OPERATOR) -> APIClient:
    api = APIClient()
    api.force_authenticate(make_user(role, f"{role}-of-the-test"))
    return api


def post(api: APIClient, path: str = PATH, **fields):
    return api.post(path, fields, format="json")


@pytest.mark.parametrize("path", PATHS)
def test_only_operators_compute(path):
    market, _, _ = null_market()
    assert post(APIClient(), path, market=market.slug, **MOMENTUM).status_code == 401
    assert post(client(VIEWER), path, market=market.slug, **MOMENTUM).status_code == 403
    assert post(client(OPERATOR), path, market=market.slug, **MOMENTUM).status_code == 200


def test_it_answers_what_the_engine_computes():
    market, dataset, _ = null_market()
    answer = post(client(), market=market.slug, fee=0.002, include=["equity", "trades", "months"], **MOMENTUM)
    body = answer.json()
    report = backtest_strategy(market, "momentum", MOMENTUM["parameters"], fee=0.002)
    assert (body["dataset_hash"], body["fee"], body["slippage"]) == (dataset.sha256, 0.002, market.slippage)
    for shown, part in zip(body["segments"], report.segments, strict=True):
        assert shown["name"] == part.name
        assert shown["metrics"] == part.metrics
        assert (
            shown["metrics"]["sharpe_low"]
            < shown["metrics"]["sharpe_ratio"]
            < shown["metrics"]["sharpe_high"]
        )
        assert shown["buy_and_hold"] == part.hold_metrics
        assert shown["equity"]["n_bars"] == len(part.bars)
        assert shown["equity"]["equity"][-1] == part.result.equity[-1]
        assert len(shown["trades"]) == len(part.result.trades) == shown["n_trades_open_or_closed"]
        assert len(shown["months"]) == len(part.months)
    assert "sealed" in body["test"]


def test_points_and_trades_are_bounded(monkeypatch):
    monkeypatch.setattr(backtest_api, "MAX_TRADES", 5)
    market, _, _ = store("LONG", gaussian_bars(9000, 2))
    body = post(client(), market=market.slug, include=["equity", "trades"], **MOMENTUM).json()
    train = body["segments"][0]
    assert train["equity"]["n_bars"] > 2000 >= len(train["equity"]["time"])
    assert len(train["trades"]) == 5 < train["n_trades_open_or_closed"]


def test_only_what_is_asked_for_is_included():
    market, _, _ = null_market()
    segment = post(client(), market=market.slug, include=[], **MOMENTUM).json()["segments"][0]
    assert not {"equity", "trades", "months"} & set(segment)


def test_bars_after_the_test_window_are_refused():
    bars = gaussian_bars(3400, seed=1)
    market, dataset, early = store("FORWARD", bars[:3000])
    room(market, dataset, early)
    store("FORWARD", bars)
    answer = post(client(), market=market.slug, segment="forward", **MOMENTUM)
    assert answer.status_code == 400
    assert "after the test window are sealed for the next one" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"parameters": {"lookback": 0}}, ["lookback", "2..500", "0"]),
        ({"parameters": {"lookback": -3}}, ["lookback", "2..500", "-3"]),
        ({"parameters": {"lookback": 99999}}, ["lookback", "2..500", "99999"]),
        ({"parameters": {"lookback": True}}, ["lookback", "boolean"]),
        ({"parameters": {"lookback": "20"}}, ["lookback", "number"]),
        ({"parameters": {"lookback": "nan"}}, ["lookback", "number"]),
        ({"parameters": {"lookback": None}}, ["lookback"]),
        ({"parameters": {"lookback": 10**400}}, ["lookback", "finite"]),
        ({"parameters": {"speed": 1}}, ["lookback", "threshold", "'speed'"]),
        ({"parameters": {"x" * 61: 1}}, ["parameters", "60"]),
        ({"parameters": {f"x{n}": 1 for n in range(51)}}, ["parameters", "50"]),
        ({"parameters": [1]}, ["parameters"]),
        ({"strategy": "macd", "parameters": {"fast": 26, "slow": 26}}, ["fast", "2..20", "26"]),
        ({"strategy": "macd", "parameters": {"fast": 12, "slow": 12}}, ["slow", "21..200", "12"]),
        ({"strategy": "nope"}, ["strategy", "'nope'"]),
        ({"strategy": "os.system"}, ["strategy", "'os.system'"]),
        ({"strategy": "x\x00"}, ["strategy"]),
        ({"fee": 1.5}, ["fee", "0..0.1", "1.5"]),
        ({"fee": -0.1}, ["fee", "0..0.1", "-0.1"]),
        ({"fee": "0.001"}, ["fee", "number"]),
        ({"slippage": 0.11}, ["slippage", "0..0.1", "0.11"]),
        ({"segment": "test"}, ["segment", "sealed"]),
        ({"segment": "forward"}, ["segment", "'forward'", "sealed"]),
        ({"segment": ""}, ["segment"]),
        ({"include": ["weights"]}, ["include", "weights"]),
        ({"leverage": 3}, ["leverage", "Unknown field"]),
        ({"market": ""}, ["market"]),
    ],
)
def test_bad_input_is_a_problem_that_names_field_bound_and_value(fields, words):
    market, _, _ = null_market()
    api = client()
    for path in PATHS:
        answer = post(api, path, **{"market": market.slug, **MOMENTUM, **fields})
        assert answer.status_code == 400
        assert answer["Content-Type"].startswith("application/problem+json")
        text = json.dumps(answer.json())
        assert all(word in text for word in words), text


def test_a_window_not_shorter_than_the_bars_is_refused():
    market, _, _ = store("SHORT", gaussian_bars(1000 + 2 * DEFAULT_GAP, seed=1))
    answer = post(
        client(), market=market.slug, strategy="momentum", parameters={"lookback": 500}, segment="train"
    )
    assert answer.status_code == 400
    assert answer.json()["detail"] == "lookback should be < 500 bars, is 500"


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e400"])
def test_numbers_that_are_not_finite_are_refused(literal):
    market, _, _ = null_market()
    body = f'{{"market": "{market.slug}", "strategy": "momentum", "fee": {literal}}}'
    assert client().post(PATH, body, content_type="application/json").status_code == 400


def test_an_unknown_market_is_not_found_and_an_unknown_parameter_refused():
    market, _, _ = null_market()
    api = client()
    assert post(api, market="NOWHERE-1h", **MOMENTUM).status_code == 404
    assert post(api, f"{PATH}?colour=red", market=market.slug, **MOMENTUM).status_code == 400
    assert api.get(PATH).status_code == 405


@pytest.mark.parametrize(("table", "column"), [("equity", "equity"), ("trades", "net_profit")])
def test_csv_files_hold_numbers(table, column):
    market, _, _ = null_market()
    answer = post(client(), f"{PATH}{table}.csv", market=market.slug, **MOMENTUM)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="{market.slug}-{table}.csv"' in answer["Content-Disposition"]
    rows = list(csv.DictReader(answer.content.decode().splitlines()))
    assert {row["segment"] for row in rows} == {"train", "validation"}
    assert all(float(row[column]) == float(row[column]) for row in rows)


def test_a_backtest_writes_only_its_count_and_takes_few_queries(django_assert_num_queries):
    market, _, _ = null_market()
    api = client()
    post(api, market=market.slug, **MOMENTUM)
    with django_assert_num_queries(7):  # four count it for the rate limit; market, dataset, test window
        post(api, market=market.slug, **MOMENTUM)


@pytest.mark.parametrize("table", ["equity", "trades"])
def test_parquet_holds_what_the_csv_does_with_types(table):
    market, _, _ = null_market()
    api = client()
    text, binary = (
        post(api, f"{PATH}{table}.{kind}", market=market.slug, **MOMENTUM) for kind in ("csv", "parquet")
    )
    assert binary["Content-Type"] == "application/vnd.apache.parquet"
    assert binary["Content-Disposition"] == f'attachment; filename="{market.slug}-{table}.parquet"'
    expected = pandas.read_csv(io.BytesIO(text.content))
    found = pandas.read_parquet(io.BytesIO(binary.content))
    assert len(found) > 20 and list(found.columns) == list(expected.columns)
    moments = [name for name in found.columns if name.endswith("time")]
    for name in moments:
        expected[name] = pandas.to_datetime(expected[name], utc=True)
    pandas.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)
    assert all(isinstance(found[name].dtype, pandas.DatetimeTZDtype) for name in moments)
