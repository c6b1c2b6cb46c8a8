"""Pages and files of a finished tournament: leaderboard, front, family tree with genes, strategies."""

import csv
import io
import json
from operator import itemgetter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from strategies.exam import crown
from strategies.forward import follow_market
from strategies.genealogy import TreeFilter, read_card, read_genealogy
from strategies.leaderboard import ALIKE, leaderboard, standings
from strategies.models import Champion, Strategy, StrategyPerformance
from strategies.positions import ensemble_strategy, get_or_create_strategy
from strategies.services import retire
from strategies.strategy_page import StrategyPage
from strategies.tournament_page import TournamentPage
from tests.strategies.helpers import context_of, earn_reign, make_user, null_market, tournament
from trainingday.exceptions import InvalidArgument
from trainingday.permissions import ADMIN, OPERATOR, VIEWER
from trainingday.runs.child import work

pytestmark = pytest.mark.django_db
MAX_QUERIES = 8


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch):
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)


@pytest.fixture
def finished():
    run = tournament(null_market()[0], population_size=30, n_generations=3)
    assert work(context_of(run)) == 0
    run.refresh_from_db()
    return run


@pytest.fixture
def viewer(client):
    client.force_login(make_user(VIEWER))
    return client


def text_of(client, url, **query):
    with CaptureQueriesContext(connection) as captured:
        response = client.get(url, query)
    assert response.status_code == 200
    assert len(captured) <= MAX_QUERIES
    return response.content.decode()


def test_the_page_shows_finalists_and_what_chose_nobody(finished, viewer):
    text = text_of(viewer, reverse("strategies:tournament", args=[finished.pk]))
    assert "Why <span" in text and "sealed" in text
    page = TournamentPage(finished)
    assert [trace.name for trace in page.curves.traces][-1] == "buy & hold"
    assert len({trace.name.split()[1] for trace in page.curves.traces[:-1]}) == len(page.curves.traces) - 1
    for trace in page.scatter.traces:
        assert len(trace.x) == len(trace.y)
    assert page.front is None


def test_the_page_of_a_front_names_the_rule_and_who_sits_the_exam(viewer):
    run = tournament(null_market()[0], population_size=40, n_generations=2, search="nsga2")
    assert work(context_of(run)) == 0
    text = text_of(viewer, reverse("strategies:tournament", args=[run.pk]))
    assert "Who sits the exam: Of the front" in text
    run.refresh_from_db()
    page = TournamentPage(run)
    n_points = sum(len(trace.x) for trace in page.front_chart.traces)
    assert n_points == len(page.front["entries"]) == page.front["n_members"]
    assert len(page.front_chart.traces[1].x) == 1


def test_strategies_that_traded_alike_share_a_line(finished):
    bred = StrategyPerformance.objects.filter(tournament=finished, rank__isnull=False)
    row = bred.filter(fitness__isnull=False).order_by("-fitness", "pk")[0]
    twin = get_or_create_strategy(finished.market, "donchian", {"entry": 77})
    fields = {
        name: getattr(row, name)
        for name in ("fitness", "sharpe_ratio", "total_return", "n_trades", "strategy_name", "operator")
    }
    StrategyPerformance.objects.create(tournament=finished, strategy=twin, uid="g9-9", generation=9, **fields)
    [line] = [line for line in leaderboard(finished, 200) if line.strategy_id == row.strategy_id]
    assert line.n_alike >= 1
    assert twin.pk not in {line.strategy_id for line in leaderboard(finished, 200)}


@pytest.mark.parametrize("page", [1, 7, 600])
def test_the_board_is_the_same_however_few_strategies_are_read_at_a_time(finished, monkeypatch, page):
    whole = leaderboard(finished, 10_000)
    monkeypatch.setattr("strategies.leaderboard.PAGE", page)
    assert list(standings(finished)) == whole
    places = [line.place for line in whole if not line.is_control]
    assert places == list(range(1, len(places) + 1)) and len(places) > 7
    assert sum(line.n_alike for line in whole) + len(whole) == len(
        set(finished.performances.values_list("strategy", flat=True))
    )


def test_a_limit_counts_different_strategies_however_many_traded_alike(finished):
    best = finished.performances.filter(rank__isnull=False, fitness__isnull=False).order_by("-fitness", "pk")[
        0
    ]
    fields = {name: getattr(best, name) for name in (*ALIKE, "operator")}
    for number in range(100):
        twin = get_or_create_strategy(finished.market, "donchian", {"entry": 100 + number, "exit": 7})
        finished.performances.create(strategy=twin, uid=f"g9-{number}", generation=9, **fields)
    board = leaderboard(finished, 2)
    assert [line.place for line in board if not line.is_control] == [1, 2]
    assert board[0].n_alike >= 99


def test_at_most_five_of_a_family_are_shown_and_places_count_all(finished):
    lines = [line for line in leaderboard(finished, 500) if not line.is_control]
    few = [line for line in leaderboard(finished, 500, per_family=2) if not line.is_control]
    assert max(sum(one.name == line.name for one in few) for line in few) == 2
    assert {line.place for line in few} <= {line.place for line in lines}
    assert [line.place for line in few] == sorted(line.place for line in few)


def test_the_best_of_every_family_is_shown_whatever_its_place(finished, monkeypatch):
    everyone = [line for line in leaderboard(finished, 500) if not line.is_control]
    best = {line.name: line for line in reversed(everyone)}
    assert max(line.place for line in best.values()) > 4
    monkeypatch.setattr("strategies.leaderboard.CLONES_READ", 1)
    few = [line for line in leaderboard(finished, 4, per_family=2) if not line.is_control]
    assert {line.name for line in few} == set(best)
    scored = {(line.name, line.place) for line in best.values() if line.fitness is not None}
    assert scored <= {(line.name, line.place) for line in few}
    assert all(
        line.place > max(scored, key=itemgetter(1))[1] for line in few if line.fitness is None and line.place
    )
    assert [line.place for line in few] == sorted(line.place for line in few)


def test_a_running_page_asks_for_its_leaderboard_alone(finished, viewer):
    url = reverse("strategies:tournament", args=[finished.pk])
    part = viewer.get(url, headers={"hx-request": "true", "hx-target": "standings"}).content.decode()
    assert "<html" not in part and part.count("is-control") == 3


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_leaderboard_and_genealogy_are_files(finished, viewer, kind):
    board = viewer.get(reverse(f"strategies:leaderboard-{kind}", args=[finished.pk]))
    tree = viewer.get(reverse(f"strategies:genealogy-{kind}", args=[finished.pk]))
    read = {
        "csv": lambda body: list(csv.DictReader(io.StringIO(body))),
        "json": lambda body: json.loads(body)["rows"],
    }[kind]
    lines, people = read(board.content.decode()), read(tree.content.decode())
    assert f"{finished.public_id}-leaderboard.{kind}" in board["Content-Disposition"]
    assert lines[0]["uid"] == finished.summary["winner_uid"]
    assert len(people) == finished.n_entrants
    by_uid = {person["uid"]: person for person in people}
    parents = by_uid[next(uid for uid in by_uid if by_uid[uid]["operator"] == "crossover")]["parents"]
    assert set(json.loads(parents) if kind == "csv" else parents) <= set(by_uid)


def test_the_tree_is_filtered_by_generation_family_and_survival(finished):
    whole = read_genealogy(finished)
    part = read_genealogy(finished, TreeFilter(first=1, last=2))
    assert {node["generation"] for node in part.nodes} == {1, 2}
    family = whole.nodes[-1]["family"]
    assert {node["family"] for node in read_genealogy(finished, TreeFilter(family=family)).nodes} == {family}
    survivors = read_genealogy(finished, TreeFilter(survivors=True))
    born = {node["uid"]: node["generation"] for node in survivors.nodes}
    has_child = {edge["source"] for edge in survivors.edges}
    assert all(uid in has_child or generation == 3 for uid, generation in born.items())
    assert len(born) < len(whole.nodes)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"from": "x"}, "from should be a generation"),
        ({"to": "-1"}, "to should"),
        ({"survivors": "yes"}, "0 or 1"),
    ],
)
def test_a_malformed_filter_is_refused_by_the_api_and_said_on_the_page(finished, viewer, query, message):
    with pytest.raises(InvalidArgument, match=message):
        TreeFilter.from_query(query)
    answer = viewer.get(f"/api/v1/tournaments/{finished.pk}/genealogy/", query)
    assert answer.status_code == 400 and message in answer.json()["detail"]
    assert message in text_of(viewer, reverse("strategies:genealogy", args=[finished.pk]), **query)


def test_a_card_shows_genes_beside_the_parents(finished, viewer):
    row = StrategyPerformance.objects.filter(tournament=finished, operator="crossover").first()
    card = read_card(finished, row.uid)
    assert len(card.parents) == 2
    for gene in card.genes:
        assert gene.value == row.strategy.parameters[gene.name]
        assert gene.parents == [parent.strategy.parameters.get(gene.name) for parent in card.parents]
        assert gene.is_changed == (gene.value not in gene.parents)
    url = reverse("strategies:genealogy", args=[finished.pk])
    part = viewer.get(f"{url}?uid={row.uid}", headers={"hx-request": "true", "hx-target": "card"})
    assert card.parents[0].uid in part.content.decode() and "<svg" not in part.content.decode()
    assert "Ancestors of the winner" in text_of(viewer, url)


def test_the_list_of_strategies_filters_by_what_they_have_been(finished, viewer):
    url = reverse("strategies:list")
    champion = get_or_create_strategy(finished.market, "donchian", {})
    crown(finished.market, champion, reason="a test")
    assert f'href="/strategies/{champion.pk}/"' in text_of(viewer, url, role="champion")
    assert f'href="/strategies/{finished.winner_id}/"' in text_of(viewer, url, role="winner") + text_of(
        viewer, url, role="examined"
    )
    rows = json.loads(viewer.get(url, {"export": "json", "family": "donchian"}).content)["rows"]
    assert {row["family"] for row in rows} == {"donchian"}
    assert {row["id"]: row["role"] for row in rows}[champion.pk] == "champion"


def test_the_list_of_strategies_begins_with_the_champion(finished, viewer):
    oldest = Strategy.objects.order_by("pk").first()
    crown(finished.market, oldest, reason="a test")
    page = viewer.get(reverse("strategies:list")).context["page"]
    assert page.object_list[0] == oldest
    assert [row.is_champion for row in page.object_list[:3]] == [True, False, False]
    assert "champion now" in text_of(viewer, reverse("strategies:list"))


def test_a_champions_page_shows_its_record_on_later_bars(finished, viewer):
    url = reverse("strategies:strategy", args=[finished.winner_id])
    assert "On bars that came later" not in text_of(viewer, url)
    crown(finished.market, finished.winner, reason="a test")
    follow_market(finished.market)
    text = text_of(viewer, url)
    assert "No bar has arrived since its promotion" in text
    assert f'href="/champions/{finished.market.slug}/#forward-head"' in text


def test_a_strategys_page_says_what_it_is_and_where_it_took_part(finished, viewer):
    text = text_of(viewer, reverse("strategies:strategy", args=[finished.winner_id]))
    page = StrategyPage(finished.winner)
    assert page.title in text
    assert all(row.parameter is None or row.parameter.meaning in text for row in page.parameters)
    assert (
        finished.public_id in text and "Promote again" not in text and "Nobody can promote it by hand" in text
    )


def test_an_ensembles_page_lists_its_frozen_members(finished, viewer):
    members = [get_or_create_strategy(finished.market, name, {}) for name in ("rsi", "macd")]
    ensemble = ensemble_strategy(finished.market, members)
    text = text_of(viewer, reverse("strategies:strategy", args=[ensemble.pk]))
    assert all(f'href="/strategies/{member.pk}/"' in text for member in members)
    answer = viewer.get(f"/api/v1/strategies/{ensemble.pk}/").json()
    assert [member["fingerprint"] for member in answer["members"]] == [one.fingerprint for one in members]


def test_every_kind_of_strategy_has_a_page(finished, viewer):
    for name in set(Strategy.objects.values_list("family", flat=True)):
        one = Strategy.objects.filter(family=name).first()
        assert text_of(viewer, reverse("strategies:strategy", args=[one.pk]))


def test_only_an_admin_promotes_by_hand_and_only_with_a_reason(finished, client):
    url = reverse("strategies:promote", args=[finished.winner_id])
    client.force_login(make_user(OPERATOR))
    assert client.post(url, {"reason": "I like it"}).status_code == 403
    client.force_login(make_user(ADMIN))
    client.post(url, {"reason": ""})
    assert not Champion.objects.filter(strategy=finished.winner).exists()
    refused = client.post(url, {"reason": "I like it"}, follow=True).content.decode()
    assert "has passed no exam" in refused and "Promote again" not in refused
    earned = earn_reign(finished.winner)
    retire(earned, reason="to promote it again", user=make_user(ADMIN, "second"))
    assert (
        "Promote again"
        in client.get(reverse("strategies:strategy", args=[finished.winner_id])).content.decode()
    )
    client.post(url, {"reason": "I like it"})
    assert Champion.objects.get(until__isnull=True).restores == earned
