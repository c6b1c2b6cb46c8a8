"""Any stored strategy is backtested by its number: page, API and command, with what it has seen."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from strategies.backtests import backtest_strategy
from strategies.models import Strategy
from strategies.positions import positions_of
from strategies.stored_strategy import CHOSEN, NOTES
from strategies.strategy_page import StrategyPage
from tests.strategies.helpers import make_user, null_market
from tests.strategies.test_signals import every_kind_of_champion
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Market
from trainingday.markets.queries import query_bars, query_split
from trainingday.permissions import OPERATOR

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored() -> dict[str, Strategy]:
    return every_kind_of_champion(null_market()[0])


def test_every_kind_is_backtested_as_it_is_stored(stored):
    market = Market.objects.get()
    dataset = market.datasets.get()
    bars = query_bars(dataset)
    for strategy in stored.values():
        report = backtest_strategy(market, str(strategy.pk), {})
        split = query_split(dataset)
        for part in report.segments:
            place = getattr(split, part.name)
            positions = positions_of(strategy, bars[: place.stop])[place]
            costs = Costs(market.fee, market.slippage)
            alone = run_backtest(part.bars, positions, costs, bars_per_year=market.bars_per_year)
            assert (part.result.equity == alone.equity).all()
        assert report.label == strategy.label
        assert report.note == NOTES.get(strategy.family, CHOSEN)


def test_page_api_and_command_take_its_number_and_say_what_it_saw(stored, tmp_path, capsys):
    market, ensemble = Market.objects.get(), stored["ensemble"]
    note = NOTES["ensemble"]
    client, api = Client(), APIClient()
    user = make_user(OPERATOR)
    client.force_login(user)
    api.force_authenticate(user)
    address = StrategyPage(ensemble).backtest_url
    page = client.get(address)
    assert page.status_code == 200 and note in page.content.decode()
    assert client.get(address.replace("/backtest/", "/backtest/equity.csv")).status_code == 200
    fields = {"market": market.slug, "strategy": str(ensemble.pk)}
    answer = api.post("/api/v1/backtests/", fields, format="json").json()
    assert (answer["strategy"], answer["note"]) == (str(ensemble.pk), note)
    call_command("backtest", **fields, output=str(tmp_path / "report.html"))
    assert "members were chosen on validation" in " ".join(capsys.readouterr().out.split())
    sealed = api.post("/api/v1/backtests/", fields | {"segment": "test"}, format="json")
    assert sealed.status_code == 400 and "it is sealed for exams" in sealed.json()["detail"]


@pytest.mark.parametrize("number", ["0", "999999", "9" * 40, "²"])
def test_a_number_of_no_strategy_of_the_market_is_refused(stored, number):
    with pytest.raises(InvalidArgument, match="the number of a stored strategy"):
        backtest_strategy(Market.objects.get(), number, {})
    client = Client()
    client.force_login(make_user(OPERATOR))
    query = {"market": Market.objects.get().slug, "strategy": number, "run": 1}
    assert client.get(reverse("strategies:backtest"), query).status_code == 422


def test_a_strategy_of_another_market_is_refused(stored):
    other = Market.objects.create(symbol="OTHER", venue="v", interval=3600)
    with pytest.raises(InvalidArgument, match="of OTHER"):
        backtest_strategy(other, str(stored["rule"].pk), {})
