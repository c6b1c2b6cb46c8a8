"""Ensembles of entrants: the mean of frozen members, in tournaments, exams, signals and backtests."""

import json
import time

import numpy as np
import pytest
from django.conf import settings

from strategies import signals
from strategies.ensembles import Member, load_members, pick_different
from strategies.exam import crown
from strategies.genealogy import TreeFilter, read_genealogy
from strategies.leaderboard import leaderboard
from strategies.library.ensemble import Ensemble
from strategies.models import StrategyPerformance
from strategies.plans import standalone_configuration
from strategies.positions import ensemble_strategy, get_or_create_strategy, positions_of
from strategies.store import _load_manifest
from tests.lookahead import find_lookahead
from tests.strategies.helpers import context_of, null_market, planted_market, save_model, tournament
from trainingday.exceptions import ArtifactRejected, InvalidArgument
from trainingday.runs.child import work

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch):
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)


@pytest.fixture
def members():
    market, _, bars = null_market()
    chosen = [
        get_or_create_strategy(market, "momentum", {"lookback": 10}),
        get_or_create_strategy(market, "breakout", {}),
        get_or_create_strategy(market, "ml_model", {}, save_model(feature=0)),
    ]
    return market, bars, chosen


def test_it_holds_the_mean_of_its_members(members):
    market, bars, chosen = members
    ensemble = ensemble_strategy(market, chosen)
    expected = sum(positions_of(member, bars) for member in chosen) / 3
    np.testing.assert_allclose(positions_of(ensemble, bars), expected, rtol=1e-15)


def test_it_is_flat_while_its_members_agree_too_little():
    positions = np.array([[1.0, 1.0, 1.0, -1.0], [1.0, 0.0, -1.0, -1.0]])
    held = Ensemble().combine(positions, {"n_members": 2, "agreement": 0.6})
    assert held.tolist() == [1.0, 0.0, 0.0, -1.0]
    assert Ensemble().combine(positions, {"n_members": 2}).tolist() == [1.0, 0.5, 0.0, -1.0]


def test_it_never_reads_the_future(members):
    market, bars, chosen = members
    ensemble = ensemble_strategy(market, chosen, 0.3)
    rng = np.random.default_rng(1)
    assert find_lookahead(lambda b: positions_of(ensemble, b), bars[:1200], 40, rng) == []


def test_the_same_members_are_one_strategy_and_others_another(members):
    market, _, chosen = members
    one = ensemble_strategy(market, chosen)
    assert ensemble_strategy(market, chosen) == one
    assert ensemble_strategy(market, chosen[:2]) != one
    assert ensemble_strategy(market, chosen, 0.5) != one
    assert [member.fingerprint for member in load_members(one.artifact)] == [
        member.fingerprint for member in chosen
    ]


def test_a_changed_file_is_refused(members):
    market, bars, chosen = members
    ensemble = ensemble_strategy(market, chosen)
    manifest = settings.TRAININGDAY_ARTIFACTS / ensemble.artifact / "manifest.json"
    body = json.loads(manifest.read_bytes())
    body["members"][0]["parameters"]["lookback"] = 11.0
    manifest.write_bytes(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())
    _load_manifest.cache_clear()  # as in another process
    with pytest.raises(ArtifactRejected, match="signature"):
        positions_of(ensemble, bars)


def test_a_models_file_is_no_ensemble(members):
    with pytest.raises(ArtifactRejected, match="should be an ensemble"):
        load_members(members[2][2].artifact)


def test_it_has_no_ensemble_in_it_and_at_least_two_members(members):
    market, _, chosen = members
    inner = ensemble_strategy(market, chosen)
    with pytest.raises(InvalidArgument, match="should be no ensembles"):
        ensemble_strategy(market, [inner, chosen[0]])
    with pytest.raises(InvalidArgument, match=r"n_members should be 2\.\.25, is 1"):
        ensemble_strategy(market, chosen[:1])
    with pytest.raises(InvalidArgument, match="ensemble should have an artefact"):
        get_or_create_strategy(market, "ensemble", {})


def test_members_that_repeat_a_fitter_one_are_left_out():
    rng = np.random.default_rng(4)
    first, second, flat = rng.standard_normal(500), rng.standard_normal(500), np.zeros(500)
    copy = first + 0.1 * rng.standard_normal(500)
    assert pick_different([flat, first, copy, -first, second], 3) == [1, 4]


def test_a_tournament_forms_ensembles_of_its_fittest_with_their_parents():
    market, _, _ = planted_market()
    run = tournament(market, population_size=40, n_generations=2)
    assert work(context_of(run)) == 0
    run.refresh_from_db()
    rows = StrategyPerformance.objects.filter(tournament=run, operator="ensemble")
    assert rows.count() >= 2
    for row in rows:
        members = load_members(row.strategy.artifact)
        prints = {parent.strategy.fingerprint for parent in row.parents.select_related("strategy")}
        assert prints == {member.fingerprint for member in members}
        assert row.strategy.parameters["n_members"] == len(members)
    lines = [line for line in leaderboard(run, 100) if not line.is_control]
    assert lines[0].strategy_id == run.winner_id
    assert "ensemble" in {line.name for line in lines}
    assert lines[0].fitness == max(line.fitness for line in lines if line.fitness is not None)
    tree = read_genealogy(run, TreeFilter(uid=rows[0].uid))
    assert {"default", "random"} & {node["operator"] for node in tree.nodes}


def test_a_champion_ensemble_gives_a_signal_and_founds_the_next_tournament(members):
    market, bars, chosen = members
    ensemble = ensemble_strategy(market, chosen)
    crown(market, ensemble, reason="a test")
    assert signals.market_signal(market).position == positions_of(ensemble, bars)[-1]
    founders = standalone_configuration(market, 40, 0)["founders"]
    assert founders == [chosen[0].pk, chosen[1].pk]


def test_a_member_says_what_it_is(members):
    labels = [Member.of(member).label for member in members[2]]
    assert labels[0].startswith("momentum lookback=10 threshold=0.02")
    assert labels[2].startswith("ml_model ")


def test_a_signal_of_an_ensemble_costs_little_once_it_is_known(members):
    market, _, chosen = members
    crown(market, ensemble_strategy(market, chosen), reason="a test")
    signals.market_signal(market)
    started = time.process_time()
    signals.market_signal(market)
    assert time.process_time() - started < 0.05
