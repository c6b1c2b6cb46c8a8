"""The examples of the API's description are sent as they stand, and answered as they say."""

from __future__ import annotations

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from sessions.real_session import envelope
from strategies.positions import get_or_create_strategy
from tests import pages
from tests.strategies.helpers import earn_reign, null_market
from trainingday.markets.models import Market
from trainingday.runs.models import RunState

pytestmark = pytest.mark.django_db
STARTS = ["training-sessions", "tournaments", "pattern-scans", "downloads"]


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    schema: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return schema["paths"]


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Market:
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)
    market = null_market("BTC/USD")[0]
    market.venue = "kraken"
    market.save()
    return market


def operator() -> APIClient:
    api = APIClient()
    api.force_authenticate(pages.make_user("operator"))
    return api


def examples(body: dict[str, Any]) -> list[Any]:
    return [one["value"] for one in body["content"]["application/json"]["examples"].values()]


@pytest.mark.parametrize("name", STARTS)
def test_what_starts_work_takes_its_examples_and_answers_as_its_example(
    name: str, paths: dict[str, Any], market: Market
) -> None:
    operation, api = paths[f"/api/v1/{name}/"]["post"], operator()
    [queued] = examples(operation["responses"]["202"])
    sent = examples(operation["requestBody"])
    assert len(sent) == 2
    for body in sent:
        answer = api.post(f"/api/v1/{name}/", body, format="json")
        assert answer.status_code == 202, answer.json()
        run = answer.json()
        assert set(run) == set(queued)
        assert (run["state"], run["stage"], run["trigger"]) == ("queued", "", "api")
        assert answer["Location"] == f"/api/v1/runs/{run['run']}/"
        cancelled = api.post(f"/api/v1/runs/{run['run']}/cancel/")
        assert cancelled.json()["state"] == RunState.CANCELLED


def test_a_signal_is_answered_as_its_examples_say(paths: dict[str, Any], market: Market) -> None:
    champion, none = examples(paths["/api/v1/signals/"]["get"]["responses"]["200"])
    address, api = f"/api/v1/signals/?market={market.slug}", operator()
    answer = api.get(address).json()
    assert (set(answer), answer["state"]) == (set(none), none["state"])
    earn_reign(get_or_create_strategy(market, "breakout", {}))
    answer = api.get(address).json()
    assert (set(answer), answer["state"]) == (set(champion), champion["state"])
    assert set(answer["champion"]) == set(champion["champion"])
    assert set(answer["champion"]["exam"]) == set(champion["champion"]["exam"])
    assert set(answer["dataset"]) == set(champion["dataset"])


def test_the_seeds_envelope_is_as_its_example(paths: dict[str, Any]) -> None:
    [done] = examples(paths["/api/training/real-session"]["post"]["responses"]["200"])
    market = pages.make_market()
    made = envelope(pages.make_session(market, pages.make_dataset(market)))
    assert set(made) == set(done) and set(made["data"]) == set(done["data"])
