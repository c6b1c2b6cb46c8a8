"""Patterns in a tournament: found and confirmed inside train, scored on validation like everyone else."""

import pytest

from patterns.models import PatternSet
from patterns.services import load_set
from strategies import pattern_entrant
from strategies.models import StrategyPerformance, Tournament
from strategies.pattern_entrant import enter_patterns
from strategies.plans import plan_of, session_configuration
from strategies.positions import positions_of
from strategies.scoring import ValidationScorer
from strategies.tournament import run_tournament
from tests.patterns.helpers import planted_bars
from tests.strategies.helpers import context_of, null_market, room, store, tournament
from trainingday.backtest.engine import Costs

pytestmark = pytest.mark.django_db


def part_of(market, dataset) -> Tournament:
    return Tournament.objects.create(
        market=market, dataset=dataset, seed=7, is_part=True, n_generations=1, configuration=session_configuration("")
    )  # fmt: skip


@pytest.mark.slow
def test_a_planted_markets_patterns_take_part_and_earn_on_bars_they_have_not_seen():
    market, dataset, bars = store("WORDS", planted_bars(), fee=0.0002, slippage=0.0)
    _, split = room(market, dataset, bars)
    part = part_of(market, dataset)
    run_tournament(context_of(tournament(market)), part, bars, split)
    part.refresh_from_db()
    row = StrategyPerformance.objects.get(tournament=part, strategy_name="pattern", generation=0)
    frozen = load_set(row.strategy.artifact)
    assert frozen["patterns"]
    assert (
        frozen["seen_until_us"]
        <= int(bars.timestamps[split.train.stop])
        < bars.timestamps[split.validation.start]
    )
    positions = positions_of(row.strategy, bars[: split.validation.stop])
    scorer = ValidationScorer(
        bars[: split.validation.stop],
        split.validation,
        Costs(0.0002, 0.0),
        market.bars_per_year,
        plan_of(part).fitness,
    )
    assert row.sharpe_ratio == pytest.approx(scorer.of_positions(positions).diagnostics["sharpe_ratio"][0])
    assert row.sharpe_ratio > 1
    assert part.winner.family == "pattern"
    ratios = {entry["family"]: entry["earlier"] for entry in part.summary["earlier"]}
    assert ratios["pattern"] is None  # train flatters it


def test_a_repeated_attempt_enters_the_set_that_the_first_one_froze(monkeypatch):
    market, dataset, bars = null_market()
    _, split = room(market, dataset, bars)
    part, context = part_of(market, dataset), context_of(tournament(market))
    asked = []
    monkeypatch.setattr(pattern_entrant, "freeze_train_set", lambda *given: asked.append(given) or "a" * 64)
    for _ in range(2):
        enter_patterns(context, part, bars[: split.train.stop], split, 0.1)
        part.refresh_from_db()
    assert len(asked) == 1
    assert len(asked[0][1]) == split.train.stop
    assert part.configuration["pattern_set"] == "a" * 64
    assert part.configuration["families"] == [*session_configuration("")["families"], "pattern"]
    assert part.configuration["population_size"] == 4


def test_where_nothing_is_confirmed_no_pattern_takes_part():
    market, dataset, bars = null_market()
    _, split = room(market, dataset, bars)
    part = part_of(market, dataset)
    enter_patterns(context_of(tournament(market)), part, bars[: split.train.stop], split, 0.1)
    part.refresh_from_db()
    assert part.configuration["pattern_set"] == ""
    assert part.configuration["families"] == session_configuration("")["families"]
    assert not PatternSet.objects.exists()
