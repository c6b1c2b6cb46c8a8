import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from strategies.family_tree import lay_out
from strategies.genealogy import Genealogy
from strategies.models import Champion, Look, Tournament
from tests import pages
from trainingday.exceptions import StateConflict
from trainingday.markets.models import TestWindow

pytestmark = pytest.mark.django_db
MAX_QUERIES = 8


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(pages.make_user(role))
    return client


def n_queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", ["strategies:tournaments", "strategies:start", "strategies:champions"])
def test_anonymous_visitors_are_sent_to_log_in(client: Client, name: str) -> None:
    assert client.get(reverse(name)).status_code == 302


def test_a_viewer_may_not_start_a_tournament() -> None:
    viewer = signed_in("viewer")
    assert viewer.get(reverse("strategies:tournaments")).status_code == 200
    assert viewer.post(reverse("strategies:start"), {}).status_code == 403


def test_an_operator_starts_a_tournament(monkeypatch: pytest.MonkeyPatch) -> None:
    market = pages.make_market()
    dataset = pages.make_dataset(market)
    asked = {}

    def request_tournament(**given: object) -> Tournament:
        asked.update(given)
        return pages.make_tournament(market, dataset, state="queued")

    monkeypatch.setattr("strategies.services.request_tournament", request_tournament)
    form = {"market": market.slug, "n_generations": "3", "population_size": "12", "seed": ""}
    response = signed_in("operator").post(reverse("strategies:start"), form)
    assert response.url == reverse("strategies:tournament", args=[Tournament.objects.get().pk])
    assert (asked["market"], asked["n_generations"], asked["population_size"]) == (market, 3, 12)
    assert asked["seed"] is None


def test_a_second_tournament_of_a_market_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    market = pages.make_market()
    pages.make_dataset(market)

    def request_tournament(**given: object) -> Tournament:
        raise StateConflict("a tournament is already running for this market: tournament-7")

    monkeypatch.setattr("strategies.services.request_tournament", request_tournament)
    form = {"market": market.slug, "n_generations": "3", "population_size": "12"}
    response = signed_in("operator").post(reverse("strategies:start"), form)
    assert response.status_code == 409
    assert "tournament-7" in response.content.decode()


@pytest.mark.parametrize(
    "form", [{}, {"market": "none"}, {"n_generations": "0"}, {"population_size": "9999"}]
)
def test_a_wrong_form_stores_nothing(form: dict[str, str]) -> None:
    assert signed_in("operator").post(reverse("strategies:start"), form).status_code == 422
    assert not Tournament.objects.exists()


def test_lists_and_details_cost_the_same_however_long() -> None:
    viewer = signed_in("viewer")
    market = pages.make_market()
    dataset = pages.make_dataset(market)
    tournament = pages.make_tournament(market, dataset)
    urls = [
        reverse("strategies:tournaments"),
        reverse("strategies:tournament", args=[tournament.pk]),
        reverse("strategies:genealogy", args=[tournament.pk]),
        reverse("strategies:champions"),
    ]
    parents = pages.add_entrants(tournament, 5)
    few = [n_queries(viewer, url) for url in urls]
    for child in pages.add_entrants(tournament, 50, generation=1):
        child.parents.set(parents[:2])
    for number in range(45):
        pages.make_tournament(pages.make_market(f"M{number}/USD"), dataset)
    assert few == [n_queries(viewer, url) for url in urls]
    assert max(few) <= MAX_QUERIES


def test_the_genealogy_of_one_shows_its_ancestors_only() -> None:
    market = pages.make_market()
    tournament = pages.make_tournament(market, pages.make_dataset(market))
    parents = pages.add_entrants(tournament, 3)
    [child] = pages.add_entrants(tournament, 1, generation=1)
    child.parents.set(parents[:1])
    url = reverse("strategies:genealogy", args=[tournament.pk])
    text = signed_in("viewer").get(url, {"uid": child.uid}).content.decode()
    assert text.count('class="node') == 2
    assert text.count('class="edge') == 1


def test_a_layout_has_a_column_for_each_generation_and_larger_dots_for_the_fitter() -> None:
    def node(uid: str, generation: int, rank: int, fitness: float | None) -> dict[str, object]:
        return {"uid": uid, "generation": generation, "rank": rank, "fitness": fitness, "family": "rsi"}

    nodes = [node("a", 0, 1, 2.0), node("b", 0, 2, 1.0), node("c", 1, 1, None)]
    edges = [{"source": "a", "target": "c", "operator": "mutation"}]
    tree = lay_out(Genealogy(nodes, edges))
    a, b, c = tree.nodes
    assert a.x == b.x < c.x
    assert a.y < b.y
    assert a.radius > b.radius == c.radius
    assert [edge.is_mutation for edge in tree.edges] == [True]


def test_an_empty_layout_has_nothing_to_draw() -> None:
    assert lay_out(Genealogy([], [])).nodes == []


def make_look(verdict: str, public: dict[str, object]) -> Look:
    market = pages.make_market()
    dataset = pages.make_dataset(market)
    window = TestWindow.objects.create(market=market, first_us=0, last_us=10)
    [row] = pages.add_entrants(pages.make_tournament(market, dataset), 1)
    return Look.objects.create(
        market=market, test_window=window, dataset=dataset, strategy=row.strategy, run_kind="session", run_pk=1,
        is_charged=True, level=0.005, verdict=verdict, p_value=0.4321,
        decision={"sealed": {"p_value": 0.4321}, "public": public},
    )  # fmt: skip


def test_the_ledger_keeps_a_failed_exams_numbers_sealed() -> None:
    look = make_look("not_proven", {"verdict": "not_proven", "reason": "Not proven.", "p_value": None})
    text = signed_in("admin").get(reverse("strategies:champion", args=[look.market.slug])).content.decode()
    assert "0.43" not in text
    assert ">sealed</abbr>" in text
    assert "Not proven." in text


def test_only_an_admin_rolls_back_and_only_with_a_reason() -> None:
    look = make_look("passed", {"verdict": "passed", "reason": "Passed.", "p_value": 0.001})
    champion = Champion.objects.create(
        market=look.market, strategy=look.strategy, look=look, reason="Passed."
    )
    url = reverse("strategies:roll-back", args=[look.market.slug])
    form = {"champion": champion.pk, "reason": "It lost money for a month."}
    assert signed_in("operator").post(url, form).status_code == 403
    admin = signed_in("admin")
    admin.post(url, {"champion": champion.pk, "reason": ""})
    assert Champion.objects.get(pk=champion.pk).until is None
    admin.post(url, form)
    assert Champion.objects.get(pk=champion.pk).until is not None
    assert (
        "It lost money" in admin.get(reverse("strategies:champion", args=[look.market.slug])).content.decode()
    )
