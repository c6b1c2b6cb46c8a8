import json

import pytest
from rest_framework.test import APIClient

from strategies.exam import crown
from strategies.genealogy import TreeFilter, read_genealogy
from strategies.models import Champion, Look, Tournament
from strategies.positions import get_or_create_strategy
from strategies.services import retire
from tests.strategies.helpers import (
    context_of,
    earn_reign,
    make_user,
    null_market,
    planted_market,
    tournament,
)
from trainingday.permissions import ADMIN, OPERATOR, VIEWER
from trainingday.runs.child import work

pytestmark = pytest.mark.django_db
REASON = {"reason": "its returns decayed"}
LISTS = ["tournaments", "strategies", "performances", "looks", "champions"]


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch):
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)


def client(role: str = VIEWER) -> APIClient:
    api = APIClient()
    api.force_authenticate(make_user(role, f"{role}-of-the-test"))
    return api


@pytest.fixture
def finished() -> Tournament:
    """Return a tournament on a market without signal or costs, whose winner failed its exam."""
    market, _, _ = planted_market(phi=0.0)
    run = tournament(market, n_generations=3, population_size=20)
    assert work(context_of(run)) == 0
    run.refresh_from_db()
    assert run.verdict == "not_proven", run.reason
    return run


def start(api: APIClient, headers: dict | None = None, **fields):
    return api.post("/api/v1/tournaments/", fields, format="json", headers=headers)


@pytest.mark.parametrize("path", [*LISTS, "signals"])
def test_nothing_is_shown_to_strangers(path):
    assert APIClient().get(f"/api/v1/{path}/").status_code == 401


@pytest.mark.parametrize("path", LISTS)
def test_unknown_parameters_and_orderings_are_refused(path):
    api = client()
    assert api.get(f"/api/v1/{path}/?colour=red").status_code == 400
    assert api.get(f"/api/v1/{path}/?ordering=password").status_code == 400
    assert api.get(f"/api/v1/{path}/99999999999999999999999/").status_code == 404
    assert api.get(f"/api/v1/{path}/999999999999999999/").status_code == 404


@pytest.mark.parametrize("path", LISTS)
def test_the_number_of_queries_is_constant_in_rows(finished, path, django_assert_max_num_queries):
    crown(finished.market, finished.winner, reason="a test")
    api = client()
    with django_assert_max_num_queries(8):
        answer = api.get(f"/api/v1/{path}/?page_size=200")
    assert answer.status_code == 200
    assert answer.json()["count"] >= 1


def test_a_tournament_is_started_with_202_and_the_address_of_its_run():
    market, _, _ = null_market()
    answer = start(client(OPERATOR), market=market.slug, n_generations=2, population_size=8, seed=5)
    run = Tournament.objects.get()
    assert answer.status_code == 202, answer.json()
    assert answer["Location"] == f"/api/v1/runs/{run.public_id}/"
    assert (run.seed, run.n_generations, run.trigger) == (5, 2, "api")
    assert answer.json()["run"] == run.public_id
    assert answer.json()["dataset_hash"] == run.dataset.sha256


def test_the_same_idempotency_key_starts_once():
    market, _, _ = null_market()
    api = client(OPERATOR)
    first, second = (start(api, {"Idempotency-Key": "k1"}, market=market.slug) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json()["run"] == second.json()["run"]


def test_a_viewer_may_not_start_a_tournament():
    market, _, _ = null_market()
    assert start(client(VIEWER), market=market.slug).status_code == 403
    assert not Tournament.objects.exists()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 400),
        ({"market": "NOWHERE-1h"}, 404),
        ({"n_generations": 0}, 400),
        ({"n_generations": 201}, 400),
        ({"n_generations": True}, 400),
        ({"n_generations": 2.5}, 400),
        ({"n_generations": "١٢"}, 400),
        ({"n_generations": 2**63}, 400),
        ({"population_size": 3}, 400),
        ({"population_size": None}, 400),
        ({"seed": -1}, 400),
        ({"colour": "red"}, 400),
        ({"state": "succeeded"}, 400),
        ({"market": "a\x00b"}, 400),
        ({"market": True}, 400),
    ],
)
def test_bad_input_starts_nothing(fields, status):
    market, _, _ = null_market()
    body = fields if not fields else {"market": market.slug, **fields}
    assert start(client(OPERATOR), **body).status_code == status
    assert not Tournament.objects.exists()


def test_a_second_tournament_of_a_busy_market_is_a_conflict():
    market, _, _ = null_market()
    api = client(OPERATOR)
    start(api, market=market.slug)
    assert start(api, market=market.slug).status_code == 409


def test_a_tournament_shows_its_leaderboard_and_history(finished):
    body = client().get(f"/api/v1/tournaments/{finished.pk}/").json()
    assert body["leaderboard"][0]["strategy_id"] == finished.winner_id
    assert len(body["history"]) == 4
    assert body["winner"]["label"] == finished.winner.label


def test_performances_are_filtered_by_tournament_and_generation(finished):
    body = client().get(f"/api/v1/performances/?tournament={finished.pk}&generation=1&page_size=200").json()
    rows = [row for row in body["results"] if row["operator"] != "control"]
    assert len(rows) == 20
    assert all(parent.startswith("g0-") for row in rows for parent in row["parents"])


def test_the_genealogy_joins_children_to_parents(finished, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):
        tree = client().get(f"/api/v1/tournaments/{finished.pk}/genealogy/").json()
    uids = {node["uid"] for node in tree["nodes"]}
    assert len(uids) == finished.n_entrants
    assert all({edge["source"], edge["target"]} <= uids for edge in tree["edges"])
    born = {node["uid"]: node["generation"] for node in tree["nodes"]}
    bred = [edge for edge in tree["edges"] if edge["operator"] != "ensemble"]
    assert bred and all(born[edge["target"]] == born[edge["source"]] + 1 for edge in bred)
    assert all(born[edge["target"]] > born[edge["source"]] for edge in tree["edges"])


def test_the_genealogy_of_one_individual_ends_at_founders(finished):
    uid = finished.summary["winner_uid"]
    tree = client().get(f"/api/v1/tournaments/{finished.pk}/genealogy/?uid={uid}").json()
    children = {edge["target"] for edge in tree["edges"]}
    roots = [node for node in tree["nodes"] if node["uid"] not in children]
    assert uid in {node["uid"] for node in tree["nodes"]}
    assert all(node["operator"] in ("default", "random", "immigrant", "champion") for node in roots)


def test_no_answer_holds_a_sealed_number(finished):
    look = Look.objects.get()
    sealed = look.decision["sealed"]
    secrets = [look.p_value, *(value for value in sealed["evidence"]["candidate"].values())]
    secrets = [repr(value) for value in secrets if isinstance(value, float) and len(repr(value)) > 8]
    assert len(secrets) >= 8
    api = client(ADMIN)
    paths = [f"/api/v1/{path}/?page_size=200" for path in LISTS]
    paths += [f"/api/v1/looks/{look.pk}/", f"/api/v1/tournaments/{finished.pk}/"]
    paths += [f"/api/v1/runs/{finished.public_id}/", f"/api/v1/runs/{finished.public_id}/events/"]
    paths += [f"/api/v1/signals/?market={finished.market.slug}"]
    for path in paths:
        answer = api.get(path)
        assert answer.status_code == 200
        shown = json.dumps(answer.json())
        assert not [secret for secret in secrets if secret in shown], path


def test_the_admin_shows_no_sealed_number(finished, client):
    from django.contrib.auth.models import User

    look = Look.objects.get()
    client.force_login(User.objects.create_superuser("root", password="a long test password"))
    page = client.get(f"/admin/strategies/look/{look.pk}/change/").content.decode()
    assert look.verdict in page
    assert repr(look.p_value) not in page
    assert repr(look.decision["sealed"]["evidence"]["candidate"]["sharpe_ratio"]) not in page


def test_signals_need_a_known_market():
    api = client()
    assert api.get("/api/v1/signals/").status_code == 400
    assert api.get("/api/v1/signals/?market=NOWHERE-1h").status_code == 404
    assert api.get("/api/v1/signals/?market=%00").status_code == 400
    assert api.get("/api/v1/signals/?market=X&colour=red").status_code == 400


def test_a_market_without_a_champion_answers_with_no_position():
    market, _, _ = null_market()
    body = client().get(f"/api/v1/signals/?market={market.slug}").json()
    assert (body["state"], body["position"]) == ("no_champion", None)


def test_a_signal_carries_position_age_and_evidence():
    market, _, _ = null_market()
    crown(market, get_or_create_strategy(market, "breakout", {}), reason="a test")
    body = client().get(f"/api/v1/signals/?market={market.slug}").json()
    assert body["position"] in (-1.0, 0.0, 1.0)
    assert body["is_stale"] is True  # the bars are of 2020
    assert body["champion"]["reason"] == "a test"
    assert len(body["dataset"]["sha256"]) == 64


def test_only_an_admin_rolls_back_retires_and_promotes():
    market, _, _ = null_market()
    for period in (3, 4):
        crown(market, get_or_create_strategy(market, "breakout", {"period": period}), reason="a test")
    current = Champion.objects.get(until__isnull=True)
    strategy = get_or_create_strategy(market, "momentum", {})
    paths = [
        f"/api/v1/champions/{current.pk}/roll-back/",
        f"/api/v1/champions/{current.pk}/retire/",
        f"/api/v1/strategies/{strategy.pk}/promote/",
    ]
    operator, admin = client(OPERATOR), client(ADMIN)
    for path in paths:
        assert operator.post(path, REASON, format="json").status_code == 403
        assert admin.post(path, {}, format="json").status_code == 400
    assert admin.post(paths[0], REASON, format="json").status_code == 200
    assert admin.post(paths[0], REASON, format="json").status_code == 409
    refused = admin.post(paths[2], REASON, format="json")
    assert refused.status_code == 409 and "has passed no exam" in refused.json()["detail"]
    retire(earn_reign(strategy), reason="to promote it again", user=make_user(ADMIN, "second"))
    assert admin.post(paths[2], REASON, format="json").status_code == 201
    now = Champion.objects.get(until__isnull=True)
    assert admin.post(f"/api/v1/champions/{now.pk}/retire/", REASON, format="json").status_code == 204


def test_a_large_genealogy_keeps_the_latest_generations(finished):
    tree = read_genealogy(finished, limit=30)
    assert len(tree.nodes) == 30
    assert {node["generation"] for node in tree.nodes} == {2, 3, 4}  # ensembles stand after the last
    assert {edge["target"].split("-")[0] for edge in tree.edges} == {"g3", "ensemble"}


def test_the_genealogy_of_somebody_unknown_is_empty(finished):
    assert read_genealogy(finished, TreeFilter(uid="g9-99")).nodes == []
