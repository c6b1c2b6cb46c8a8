"""Every list page: filters, sorts, pages, and exports of exactly what it lists."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from patterns.models import PatternScan
from sessions.models import ModelVersion
from strategies.models import Champion, Strategy
from tests import pages
from trainingday.downloads.models import Download
from trainingday.exports import csv_cell, csv_text
from trainingday.runs.models import TrainingSchedule

LISTS = (
    "sessions:list", "sessions:models", "strategies:tournaments", "strategies:champions", "patterns:list",
    "markets:list", "runs:schedules", "downloads:list",
)  # fmt: skip
SYMBOLS = ("AAA/USD", "BBB/USD")


@pytest.fixture
def viewer(db: None) -> Client:
    client = Client()
    client.force_login(pages.make_user("viewer"))
    return client


@pytest.fixture
def rows(db: None) -> None:
    """Two markets with one of everything that is listed."""
    for number, symbol in enumerate(SYMBOLS):
        market = pages.make_market(symbol)
        dataset = pages.make_dataset(market)
        session = pages.make_session(market, dataset, reason="=cmd()")
        pages.make_tournament(market, dataset)
        Download.objects.create(market=market, exchange="binance", since_us=0, cursor_us=0, seed=0)
        scan = PatternScan.objects.create(market=market, dataset=dataset, seed=1, state="succeeded")
        pages.make_pattern(market, scan, number)
        strategy = Strategy.objects.create(market=market, family="momentum", fingerprint=f"s{number}")
        Champion.objects.create(market=market, strategy=strategy, reason="@home")
        ModelVersion.objects.create(
            market=market, session=session, number=1, strategy=strategy, selection_strategy=strategy,
            algorithm="ppo", hyperparameters={"gamma": 0.95}, seed=1, dataset=dataset, train_first_us=0,
            train_last_us=10**12, artifact="a", weights_hash="ab", stage_reason="+1 on the record",
        )  # fmt: skip
        TrainingSchedule.objects.create(name=f"-night {number}", market=market, cron="30 2 * * *")


def exported(client: Client, name: str, **query: str) -> list[dict[str, Any]]:
    answer = client.get(reverse(name), {"export": "json"} | query)
    assert answer["Content-Type"] == "application/json" and "attachment" in answer["Content-Disposition"]
    body = answer.json()
    assert body["n"] == len(body["rows"])
    return list(body["rows"])


@pytest.mark.parametrize("name", LISTS)
def test_an_export_holds_the_rows_that_the_filter_leaves(name: str, viewer: Client, rows: None) -> None:
    assert len(exported(viewer, name)) == 2
    parameter = "venue" if name == "markets:list" else "market"
    value = "test" if name == "markets:list" else "BBBUSD-1h"
    kept = exported(viewer, name, **{parameter: value})
    assert [row["market"] for row in kept if row["market"] == "BBBUSD-1h"] == ["BBBUSD-1h"]
    assert len(kept) == (2 if name == "markets:list" else 1)
    assert exported(viewer, name, **{parameter: "no such"}) == []


@pytest.mark.parametrize("name", LISTS)
def test_csv_and_json_say_the_same_and_no_cell_is_a_formula(name: str, viewer: Client, rows: None) -> None:
    text = viewer.get(reverse(name), {"export": "csv"}).content.decode()
    table = list(csv.DictReader(io.StringIO(text)))
    body = exported(viewer, name)
    assert [list(row) for row in table] == [list(row) for row in body]
    for row, full in zip(table, body, strict=True):
        for column, value in full.items():
            if isinstance(value, str):
                assert row[column].lstrip("'") == value.lstrip("'")
                assert not row[column].startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("name", LISTS)
def test_the_page_links_to_the_export_of_its_own_state(name: str, viewer: Client, rows: None) -> None:
    page = viewer.get(reverse(name), {"market": "AAAUSD-1h", "sort": "-market"}).content.decode()
    assert "export=csv" in page and "export=json" in page
    assert page.count("sort=-market&amp;export=") == 2


@pytest.mark.parametrize("name", LISTS)
def test_what_no_filter_offers_lists_nothing(name: str, viewer: Client, rows: None) -> None:
    for value in ("\x00", "'", "x" * 300, "99999999999999999999"):
        parameter = "calendar" if name == "markets:list" else "market"
        answer = viewer.get(reverse(name), {parameter: value, "page": "x", "sort": "password"})
        assert answer.status_code == 200 and len(answer.context["page"].object_list) == 0


def test_an_order_reads_both_ways_and_the_undefined_come_last(viewer: Client, db: None) -> None:
    market = pages.make_market()
    dataset = pages.make_dataset(market)
    for score in (0.5, None, 1.5):
        pages.make_session(market, dataset, new_sharpe=score)
    for sort, scores in (("score", [0.5, 1.5, None]), ("-score", [1.5, 0.5, None])):
        assert [row["validation_sharpe"] for row in exported(viewer, "sessions:list", sort=sort)] == scores


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@cmd", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_run_gets_a_quote(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1.5, "2020-01-01", "long", "", None, True])
def test_numbers_and_plain_text_stay_as_they_are(value: object) -> None:
    assert csv_cell(value) == value


@given(st.lists(st.lists(st.text(max_size=20), min_size=2, max_size=2), max_size=5))
def test_a_file_reads_back_as_the_cells_that_were_written(table: list[list[str]]) -> None:
    back = list(csv.reader(io.StringIO(csv_text(["a", "b"], table), newline="")))
    assert back == [["a", "b"], *([csv_cell(cell) for cell in row] for row in table)]
