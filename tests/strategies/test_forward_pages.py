"""The forward record where people and bots see it."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from strategies import queries
from strategies.exam import crown
from strategies.forward import follow_market
from strategies.models import ForwardRecord
from strategies.positions import get_or_create_strategy
from tests import pages
from tests.strategies.test_forward import FIRST, arrive, bad, good, planted, reject

__all__ = ["planted"]
pytestmark = pytest.mark.django_db
MAX_QUERIES = 8


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(pages.make_user("viewer"))
    return client


def n_queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def addresses(market) -> list[str]:
    return [
        reverse("home"),
        reverse("strategies:champions"),
        reverse("strategies:champion", args=[market.slug]),
    ]


def test_a_decayed_champion_shows_its_alarm_everywhere(planted, viewer):
    market, bars = planted
    crown(market, bad(market), reason="a test")
    arrive(market, bars, FIRST + 1900)
    record = queries.current_champion(market).record
    for url in addresses(market):
        text = viewer.get(url).content.decode()
        assert "decay alarm" in text.lower()
        assert "1,900" in text
    shown = viewer.get(f"/api/v1/champions/?market__slug={market.slug}").json()["results"][0]
    assert shown["since_promotion"]["alarm"] is True
    assert shown["since_promotion"]["leads"][0]["high"] == record.standing["leads"][0]["high"] < 0
    signal = viewer.get(f"/api/v1/signals/?market={market.slug}").json()
    assert signal["champion"]["decay_alarm"] is True
    row = viewer.get(f"/api/v1/forward-records/{record.pk}/").json()
    assert (row["n_bars"], row["reign"], row["look"]) == (1900, record.reign_id, None)
    recorded = viewer.get(f"/api/v1/forward-records/{record.pk}/bars/").json()
    assert [len(recorded[key]) for key in ("timestamps", "positions", "returns", "market_returns")] == [
        1900
    ] * 4
    assert set(recorded["datasets"]) == {market.datasets.order_by("-version").first().sha256}
    assert recorded["timestamps"][0] == bars.timestamps[FIRST]


def test_a_sound_champion_shows_its_record_and_no_alarm(planted, viewer):
    market, bars = planted
    crown(market, good(market), reason="a test")
    arrive(market, bars, FIRST + 600)
    for url in addresses(market):
        text = viewer.get(url).content.decode()
        assert "decay alarm" not in text.lower()
        assert "n = 600" in text
    text = viewer.get(addresses(market)[2]).content.decode()
    assert "confidence sequence" in text and "forward-mean-data" in text


def test_a_promotion_on_later_bars_says_so(planted, viewer):
    market, bars = planted
    crown(market, bad(market), reason="a test")
    reject(market, good(market))
    arrive(market, bars, FIRST + 1500)
    home, champions, champion = (viewer.get(url).content.decode() for url in addresses(market))
    assert "on forward evidence" in home
    assert "Promoted on forward evidence" in champions
    assert "later bars</td>" in champion and ">promoted</span>" in champion
    exported = json.loads(viewer.get(f"{addresses(market)[1]}?export=json").getvalue())["rows"]
    assert [row["later_bars"] for row in exported] == [0]
    shown = viewer.get("/api/v1/champions/?until__isnull=true").json()["results"][0]
    assert shown["forward"] == ForwardRecord.objects.get(look__isnull=False).pk


def test_pages_say_what_to_do_before_the_first_bar(planted, viewer):
    market, _ = planted
    crown(market, good(market), reason="a test")
    assert "within a minute" in viewer.get(addresses(market)[2]).content.decode()
    follow_market(market)
    home, _, champion = (viewer.get(url).content.decode() for url in addresses(market))
    assert "No bar has arrived since its promotion" in home
    assert "Load newer bars" in champion


def test_the_pages_cost_the_same_queries_however_many_are_followed(planted, viewer):
    market, bars = planted
    crown(market, good(market), reason="a test")
    reject(market, bad(market))
    arrive(market, bars, FIRST + 300)
    before = [n_queries(viewer, url) for url in addresses(market)]
    for number in range(5):
        reject(market, get_or_create_strategy(market, "momentum", {"lookback": 5 + number}), run=10 + number)
    arrive(market, bars, FIRST + 600)
    assert [n_queries(viewer, url) for url in addresses(market)] == before
    assert max(before) <= MAX_QUERIES


def test_unknown_parameters_are_refused(planted, viewer):
    market, bars = planted
    crown(market, good(market), reason="a test")
    arrive(market, bars, FIRST + 1)
    pk = ForwardRecord.objects.get().pk
    assert viewer.get("/api/v1/forward-records/?wrong=1").status_code == 400
    assert viewer.get(f"/api/v1/forward-records/{pk}/bars/?wrong=1").status_code == 400
    assert viewer.post("/api/v1/forward-records/", {}).status_code in (403, 405)


def test_a_promotion_on_later_bars_has_its_own_gate_card(planted, viewer):
    market, bars = planted
    crown(market, bad(market), reason="a test")
    reject(market, good(market))
    arrive(market, bars, FIRST + 1500)
    proof = ForwardRecord.objects.get(look__isnull=False).proof
    arrive(market, bars, FIRST + 1700)
    text = " ".join(viewer.get(addresses(market)[2]).content.decode().split())
    assert "The gate that it passed" in text
    assert "On bars that came after its failed exam. Every rule must hold." in text
    assert "Leads the champion beyond luck" in text and "Leads doing nothing beyond luck" in text
    assert text.count("n = 1,500 bars") >= 2  # as it was when it was promoted, whatever came since
    assert ForwardRecord.objects.get(look__isnull=False).proof == proof and proof["promotes"]


def test_a_champion_set_by_hand_shows_no_gate(planted, viewer):
    market, _ = planted
    crown(market, good(market), reason="By hand.", decided_by=pages.make_user("admin"))
    text = viewer.get(addresses(market)[2]).content.decode()
    assert "The gate that it passed" not in text and "a person decided" in text


def test_a_champion_by_exam_shows_the_gate_card(planted, viewer):
    market, _ = planted
    public = {
        "verdict": "passed", "reason": "Passed: it beat buy and hold.", "rules": [], "p_value": 0.001,
        "comparisons": [], "sensitivity": "An exam of 600 bars catches 80 of 100.",
    }  # fmt: skip
    look = reject(market, good(market), verdict="passed", decision={"sealed": public, "public": public})
    crown(market, good(market), reason=public["reason"], look=look)
    text = viewer.get(addresses(market)[2]).content.decode()
    assert "The gate that it passed" in text and "What this exam could have seen" in text
