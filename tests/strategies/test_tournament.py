import pytest

from strategies import queries
from strategies import tournament as module
from strategies.exam import costs_of
from strategies.leaderboard import leaderboard
from strategies.models import Champion, Look, Strategy, StrategyPerformance, Tournament
from strategies.plans import plan_of, session_configuration
from strategies.positions import CONTROLS, get_or_create_strategy, positions_of
from strategies.records import load_individuals
from strategies.tournament import execute, run_tournament
from tests.strategies.helpers import (
    context_of,
    links_of,
    null_market,
    outcome_of,
    planted_market,
    room,
    rows_of,
    save_model,
    tournament,
)
from trainingday.backtest.engine import run_backtest
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, RunCancelled, StateConflict
from trainingday.runs.child import work
from trainingday.runs.models import RunEvent, RunState

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch):
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)


def finished(run: Tournament) -> Tournament:
    """Carry a tournament out as its child does."""
    assert work(context_of(run)) == 0
    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED, run.reason
    return run


def test_every_individual_is_a_row_with_its_parents():
    run = finished(tournament(null_market()[0]))
    rows = StrategyPerformance.objects.filter(tournament=run).exclude(operator__in=("control", "ensemble"))
    assert set(rows.values_list("generation", flat=True)) == {0, 1, 2}
    assert rows.filter(generation=0, parents__isnull=False).count() == 0
    n_parents = {"elite": 1, "mutation": 1, "crossover": 2, "immigrant": 0}
    for row in rows.filter(generation__gt=0).prefetch_related("parents"):
        parents = list(row.parents.all())
        assert len(parents) == n_parents[row.operator]
        assert {parent.generation for parent in parents} <= {row.generation - 1}
    assert rows.filter(operator="crossover").exists() and rows.filter(operator="mutation").exists()


def test_each_generation_holds_the_population_and_is_ranked_by_fitness():
    run = finished(tournament(null_market()[0]))
    for generation in range(3):
        rows = list(
            StrategyPerformance.objects.filter(tournament=run, generation=generation)
            .exclude(operator="control")
            .order_by("rank")
        )
        assert [row.rank for row in rows] == list(range(1, 13))
        fitness = [-1e9 if row.fitness is None else row.fitness for row in rows]
        assert fitness == sorted(fitness, reverse=True)


def test_controls_take_part_and_cannot_win():
    run = finished(tournament(null_market()[0]))
    controls = StrategyPerformance.objects.filter(tournament=run, operator="control")
    assert {row.strategy_name for row in controls} == set(CONTROLS)
    assert all(row.rank is None for row in controls)
    assert run.winner.family not in CONTROLS
    assert [line.place for line in leaderboard(run)][-3:] == [None] * 3
    assert f"{run.summary['random']['best']:.2f}" in run.reason


def test_the_random_control_trades_as_much_as_the_winner():
    run = finished(tournament(null_market()[0]))
    random = StrategyPerformance.objects.get(tournament=run, uid="control-random")
    winner = StrategyPerformance.objects.filter(tournament=run, strategy=run.winner).first()
    assert random.turnover == pytest.approx(winner.turnover, rel=0.02)


def test_the_winner_is_the_fittest_and_its_score_is_its_validation_sharpe():
    run = finished(tournament(null_market()[0]))
    best = leaderboard(run)[0]
    assert best.strategy_id == run.winner_id
    assert best.sharpe_ratio == run.winner_sharpe
    assert run.summary["winner_fitness"] == best.fitness


def test_the_same_seed_breeds_the_same_tournament():
    facts = []
    for name in ("ONE", "TWO"):
        run = finished(tournament(null_market(name)[0], seed=11))
        facts.append((rows_of(run), links_of(run), run.history))
    assert facts[0] == facts[1]


def test_another_seed_breeds_another_tournament():
    market = null_market()[0]
    first, second = (finished(tournament(market, seed=seed)) for seed in (1, 2))
    assert rows_of(first) != rows_of(second)


@pytest.mark.parametrize("n_committed", [0, 1, 2, 3])
def test_a_killed_tournament_ends_as_an_undisturbed_one(monkeypatch, n_committed):
    whole = finished(tournament(null_market("WHOLE")[0]))
    run = tournament(null_market("KILLED")[0])
    context, stored = context_of(run), []
    real = module.store_generation

    def die_later(*arguments):
        if len(stored) == n_committed:
            raise KeyboardInterrupt  # no clean-up, as after a kill; the transaction is rolled back
        stored.append(real(*arguments))

    def die(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "store_generation", die_later)
    if n_committed == 3:
        monkeypatch.setattr(module, "store_conclusion", die)
    with pytest.raises(KeyboardInterrupt):
        execute(context)
    assert StrategyPerformance.objects.filter(tournament=run).count() == 12 * n_committed
    monkeypatch.undo()
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)
    scored = []
    real_call = module.ValidationScorer.__call__
    monkeypatch.setattr(
        module.ValidationScorer, "__call__", lambda self, *a: scored.append(a) or real_call(self, *a)
    )
    assert work(context) == 0
    run.refresh_from_db()
    assert (rows_of(run), links_of(run)) == (rows_of(whole), links_of(whole))
    assert outcome_of(run) == outcome_of(whole)
    assert bool(scored) is (n_committed < 3)


def test_a_repeated_run_uses_no_second_exam():
    market = null_market()[0]
    run = tournament(market)
    context = context_of(run)
    assert execute(context) == execute(context)
    assert Look.objects.count() == 1


def test_rows_that_were_tampered_with_are_not_bred_from():
    run = tournament(null_market()[0])
    context = context_of(run)
    execute(context)
    row = StrategyPerformance.objects.get(tournament=run, uid="g0-3")
    other = StrategyPerformance.objects.get(tournament=run, uid="g2-1")
    StrategyPerformance.objects.filter(pk=row.pk).update(
        strategy=other.strategy, strategy_name=other.strategy_name
    )
    with pytest.raises(StateConflict):
        execute(context)


def test_individuals_come_back_from_their_rows_exactly():
    run = finished(tournament(null_market()[0]))
    plan = plan_of(run)
    found = {one.uid: one for one in load_individuals(run, plan.families)}
    assert len(found) == 36
    for line in run.history:
        best = found[line["best_uid"]]
        assert best.fitness == line["best"]


def test_a_cancelled_tournament_stops_and_keeps_what_it_has():
    run = tournament(null_market()[0])
    context = context_of(run)
    Tournament.objects.filter(pk=run.pk).update(is_cancel_requested=True)
    with pytest.raises(RunCancelled):
        execute(context)
    assert not Look.objects.exists()


def test_nothing_behind_validation_is_read():
    market, dataset, bars = null_market()
    _, split = room(market, dataset, bars)
    blind = Bars(*(getattr(bars, name).copy() for name in bars.__dataclass_fields__))
    for name in ("open", "high", "low", "close", "volume"):
        getattr(blind, name)[split.validation.stop :] = float("nan")
    seen, unseen = (tournament_part(market, dataset), tournament_part(market, dataset))
    context = context_of(tournament(market))
    first = run_tournament(context, seen, bars, split)
    second = run_tournament(context, unseen, blind, split)
    assert rows_of(seen) == rows_of(unseen)
    assert first.winner == second.winner


def tournament_part(market, dataset, artifact="") -> Tournament:
    return Tournament.objects.create(
        market=market,
        dataset=dataset,
        seed=7,
        is_part=True,
        n_generations=1,
        configuration=session_configuration(artifact),
    )


def test_a_sessions_tournament_breeds_the_four_seed_families_once():
    market, dataset, bars = null_market()
    _, split = room(market, dataset, bars)
    artifact = save_model(feature=0)
    part = tournament_part(market, dataset, artifact)
    context = context_of(tournament(market))
    result = run_tournament(context, part, bars, split, progress_span=(0.2, 0.4))
    part.refresh_from_db()
    founders = StrategyPerformance.objects.filter(tournament=part, generation=0, operator="default")
    names = {row.strategy_name: row.strategy.parameters for row in founders.select_related("strategy")}
    assert names == {
        "momentum": {"lookback": 20.0, "threshold": 0.02},
        "mean_reversion": {"window": 50.0, "deviation": 2.0},
        "breakout": {"period": 14.0, "multiplier": 1.5},
        "ml_model": {},
    }
    bred = StrategyPerformance.objects.filter(tournament=part, generation=1).exclude(operator="control")
    leaders = set(founders.filter(rank__lte=2).values_list("uid", flat=True))
    child = bred.get(operator="crossover")
    assert set(child.parents.values_list("uid", flat=True)) == leaders
    assert sorted(bred.values_list("operator", flat=True)) == ["crossover", "elite", "elite", "mutation"]
    assert (part.state, part.progress) == (RunState.SUCCEEDED, 1.0)
    assert result.winner == part.winner
    assert not Look.objects.exists()


def test_a_sessions_tournament_that_is_done_is_read_not_run_again(django_assert_max_num_queries):
    market, dataset, bars = null_market()
    _, split = room(market, dataset, bars)
    part = tournament_part(market, dataset)
    context = context_of(tournament(market))
    first = run_tournament(context, part, bars, split)
    with django_assert_max_num_queries(8):
        again = run_tournament(context, part, bars, split)
    assert (again.winner, again.leaderboard) == (first.winner, first.leaderboard)


def test_live_pages_are_told_of_each_generation_and_of_the_leaderboard():
    run = finished(tournament(null_market()[0]))
    events = list(
        RunEvent.objects.filter(run_kind="tournament", run_pk=run.pk).values_list("kind", "payload")
    )
    generations = [payload for kind, payload in events if kind == "generation"]
    assert [payload["generation"] for payload in generations] == [0, 1, 2]
    assert {"best", "median", "diversity"} <= set(generations[0])
    board = next(payload for kind, payload in events if kind == "leaderboard")
    assert board["entries"][0]["strategy_id"] == run.winner_id
    assert [payload["stage"] for kind, payload in events if kind == "stage"] == ["bars", "tournament", "exam"]
    assert [kind for kind, _ in events][-2:] == ["verdict", "finished"]


def test_past_champions_found_the_next_tournament():
    market = null_market()[0]
    strategy = Strategy.objects.create(
        market=market,
        family="momentum",
        parameters={"lookback": 77.0, "threshold": 0.013},
        fingerprint="f" * 64,
    )
    Champion.objects.create(market=market, strategy=strategy, reason="for the test")
    run = finished(tournament(market))
    founder = StrategyPerformance.objects.get(tournament=run, operator="champion")
    assert (founder.strategy_name, founder.strategy.parameters) == ("momentum", strategy.parameters)


def test_only_a_model_that_does_not_know_validation_takes_part():
    market, dataset, bars = null_market()
    _, split = room(market, dataset, bars)
    honest = save_model(feature=0, train_last_us=int(bars.timestamps[split.train.stop - 1]))
    leaky = save_model(feature=1, train_last_us=int(bars.timestamps[split.validation.stop - 1]))
    silent = save_model(feature=2, train_last_us=None)
    for artifact in (honest, leaky, silent):
        get_or_create_strategy(market, "ml_model", {}, artifact)
    assert tournament(market).configuration["artifact"] == honest


def test_a_tiny_population_takes_the_seed_families_first():
    run = tournament(null_market()[0], population_size=4)
    assert run.configuration["families"][:3] == ["momentum", "mean_reversion", "breakout"]
    assert len(run.configuration["families"]) == 4
    assert finished(run).winner is not None


@pytest.mark.slow
def test_a_planted_market_finds_a_champion_and_a_null_market_does_not():
    planted = finished(
        tournament(planted_market(n_bars=12000, phi=0.3)[0], population_size=40, n_generations=5)
    )
    assert planted.verdict == "passed", planted.reason
    assert queries.current_champion(planted.market).strategy == planted.winner
    null = finished(tournament(null_market(n_bars=12000)[0], population_size=40, n_generations=5))
    assert null.verdict in ("not_proven", "cannot_tell"), null.reason
    assert queries.current_champion(null.market) is None
    assert planted.history[-1]["best"] > planted.history[0]["best"]


def test_data_snooping_is_tested_over_the_founders_alone():
    run = finished(tournament(null_market()[0]))
    snooping = run.summary["data_snooping"]
    founders = StrategyPerformance.objects.filter(
        tournament=run, generation=0, operator__in=["default", "random"]
    )
    assert snooping["n_candidates"] == founders.count() == 12
    assert 0 < snooping["p_value"] <= 1


def test_data_snooping_sees_a_strategy_that_truly_works():
    run = finished(tournament(planted_market(n_bars=8000, phi=0.3)[0], population_size=40, n_generations=1))
    assert run.summary["data_snooping"]["p_value"] < 0.05


def test_a_search_for_a_front_picks_its_winner_from_it_by_the_rule():
    run = finished(tournament(planted_market()[0], population_size=40, search="nsga2"))
    front = run.summary["front"]
    [winner] = [entry for entry in front["entries"] if entry["is_winner"]]
    assert winner["uid"] == run.summary["winner_uid"] and winner["sharpe_ratio"] == run.winner_sharpe
    best = max(entry["fitness"] for entry in front["entries"])
    assert winner["fitness"] >= 0.8 * best
    assert f"{0.8:.0%}" in front["rule"]
    rows = StrategyPerformance.objects.filter(tournament=run, operator="crossover")
    assert rows.exists() and all(row.parents.count() == 2 for row in rows)
    assert not StrategyPerformance.objects.filter(tournament=run, operator="ensemble").exists()


@pytest.mark.parametrize("n_committed", [1, 2])
def test_a_killed_search_for_a_front_ends_as_an_undisturbed_one(monkeypatch, n_committed):
    options = {"population_size": 40, "search": "nsga2"}
    whole = finished(tournament(null_market("WHOLE")[0], **options))
    run = tournament(null_market("KILLED")[0], **options)
    context, stored = context_of(run), []
    real = module.store_generation

    def die_later(*arguments):
        if len(stored) == n_committed:
            raise KeyboardInterrupt
        stored.append(real(*arguments))

    monkeypatch.setattr(module, "store_generation", die_later)
    with pytest.raises(KeyboardInterrupt):
        execute(context)
    monkeypatch.setattr(module, "store_generation", real)
    assert work(context) == 0
    assert (rows_of(run), links_of(run)) == (rows_of(whole), links_of(whole))
    assert outcome_of(run) == outcome_of(whole)


def test_a_past_population_founds_the_next_tournament():
    market = null_market()[0]
    past = finished(tournament(market, population_size=20))
    run = finished(tournament(market, population_size=20, seed_from=past, seed=8))
    founders = StrategyPerformance.objects.filter(tournament=run, operator="past")
    best = [
        line.strategy_id
        for line in leaderboard(past, 100)
        if line.name not in (*CONTROLS, "ensemble") and line.fitness is not None
    ]
    assert 0 < founders.count() <= 10
    assert set(founders.values_list("strategy", flat=True)) <= set(best[:10])
    assert run.configuration["seeded_from"] == past.pk
    assert StrategyPerformance.objects.filter(tournament=run, generation=0, operator="default").exists()


def test_a_population_of_another_market_founds_nothing():
    past = finished(tournament(null_market("OTHER")[0]))
    with pytest.raises(InvalidArgument, match="seed_from should be a tournament of NULL"):
        tournament(null_market()[0], seed_from=past)


def test_finalists_are_shown_on_the_bars_that_chose_nobody():
    market, dataset, bars = planted_market()
    run = finished(tournament(market, population_size=30))
    _, split = room(market, dataset, bars)
    lines = run.summary["curves"]["lines"]
    assert lines[0]["uid"] == run.summary["winner_uid"] and lines[-1]["label"] == "buy_and_hold"
    last = int(bars.timestamps[split.validation.stop - 1])
    assert run.summary["curves"]["times"][-1] == last
    assert all(len(line["equity"]) == len(run.summary["curves"]["times"]) for line in lines)
    [winner] = [row for row in run.summary["earlier"] if row["uid"] == run.summary["winner_uid"]]
    positions = positions_of(run.winner, bars[: split.validation.stop])[split.train]
    result = run_backtest(bars[split.train], positions, costs_of(market), bars_per_year=market.bars_per_year)
    assert winner["earlier"] == pytest.approx(result.metrics.sharpe_ratio)
    assert winner["validation"] == pytest.approx(run.winner_sharpe)
