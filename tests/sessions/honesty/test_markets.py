"""One session per market: repeatable, through the product's own code, and caught when it cheats."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sessions.honesty.benchmark import run_benchmark, run_market
from sessions.honesty.exams import LOOSE, ExamOutcome, one_bar_early, sit_exam
from sessions.honesty.models import open_room, random_policy
from sessions.honesty.options import Case, HonestyOptions, MarketTask, Mutant
from sessions.honesty.report import Line, report_lines
from sessions.honesty.tournaments import FAMILIES, SPLIT, early
from sessions.overlay_choice import choose_overlay
from sessions.rl.presets import Preset
from strategies import grading
from strategies.library.registry import get_family
from tests.markets import gaussian_bars
from trainingday.policy.observation import N_FEATURES, compute_features
from trainingday.stats.gate import decide
from trainingday.synthetic import SEED, synthetic_bars

N_MARKETS = 40


def null_tasks(case: Case, n: int, mutant: Mutant = Mutant.NONE) -> list[MarketTask]:
    part = {Case.UNTRAINED: "models", Case.TOURNAMENT: "tournaments", Case.PATTERNS_NULL: "patterns"}[case]
    tasks = HonestyOptions(n, (part,)).tasks()
    chosen = [task for task in tasks if task.case is case and task.kind in ("N1", "N2", "N3", "N4", "N5")]
    return [replace(task, mutant=mutant) for task in chosen]


def planted_tasks(kind: str, n: int) -> list[MarketTask]:
    return [MarketTask(Case.TOURNAMENT, kind, index, SEED) for index in range(n)]


def measure(tasks: list[MarketTask]) -> dict[str, Line]:
    return {line.name: line for line in report_lines([(task, run_market(task)) for task in tasks])}


def with_other_kinds(tasks: list[MarketTask]) -> list[MarketTask]:
    """Return tournament tasks with one market of each other kind, which the report expects."""
    return [
        *tasks,
        *(replace(task, kind=kind) for task, kind in zip(tasks, ("N6", "P1", "P2"), strict=False)),
    ]


@pytest.mark.parametrize("case", [Case.UNTRAINED, Case.TOURNAMENT, Case.PATTERNS_NULL])
def test_the_same_market_gives_the_same_outcome_and_another_seed_another(case: Case) -> None:
    task = MarketTask(case, "N1", 0, SEED)
    assert run_market(task) == run_market(task)
    assert run_market(replace(task, seed=1)) != run_market(task)


def test_the_split_is_that_of_the_evidence() -> None:
    sizes = {"train": 6_000, "validation": 4_000, "test": 4_000, "forward": 0}
    assert SPLIT.sizes() == sizes
    assert SPLIT.validation.start - SPLIT.train.stop == SPLIT.test.start - SPLIT.validation.stop == 250


def test_the_exam_is_the_products_own(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = []

    def spy(*args, **kwargs):
        levels.append(kwargs["exam"].level)
        return decide(*args, **kwargs)

    monkeypatch.setattr(grading, "decide", spy)
    run_market(MarketTask(Case.UNTRAINED, "N1", 0, SEED))
    assert levels == [0.05, 0.005]


def test_buy_and_hold_itself_is_not_promoted_in_a_rising_market() -> None:
    room = open_room(MarketTask(Case.UNTRAINED, "N6", 3, SEED))
    assert sit_exam(room, "N6", np.ones(len(room.bars))).is_promoted is False


def test_a_session_without_a_candidate_promotes_nothing() -> None:
    room = open_room(MarketTask(Case.UNTRAINED, "N1", 0, SEED))
    assert sit_exam(room, "N1", None) == ExamOutcome("N1", "no_candidate", None, False, False, False)


def test_a_promotion_at_the_strict_level_is_one_at_the_loose_level() -> None:
    outcomes = [run_market(task) for task in null_tasks(Case.UNTRAINED, 5, Mutant.LOOKAHEAD)]
    assert all(one.is_promoted and one.p_value <= LOOSE for one in outcomes if one.is_promoted_strictly)
    assert any(one.is_promoted_strictly for one in outcomes)


def test_random_policies_trade() -> None:
    bars = synthetic_bars("N1", 3_000, 0)
    rng = np.random.default_rng(1)
    policies = [random_policy(rng) for _ in range(5)]
    assert all(policy.n_features == N_FEATURES for policy in policies)
    features = compute_features(bars)
    changes = [np.count_nonzero(np.diff(policy.positions(features))) for policy in policies]
    assert min(changes) > 30


@pytest.mark.parametrize("name", FAMILIES)
def test_an_early_family_knows_exactly_one_bar_ahead(name: str) -> None:
    bars = gaussian_bars(600, seed=3)
    family = get_family(name)
    honest, cheating = family.positions(bars, {}), early(family).positions(bars, {})
    np.testing.assert_array_equal(cheating, one_bar_early(honest))
    np.testing.assert_array_equal(cheating[:-1], honest[1:])


@pytest.mark.parametrize("case", [Case.UNTRAINED, Case.TOURNAMENT])
def test_a_look_ahead_by_one_bar_is_caught_on_few_markets(case: Case) -> None:
    tasks = null_tasks(case, 4, Mutant.LOOKAHEAD)
    lines = measure(with_other_kinds(tasks) if case is Case.TOURNAMENT else tasks)
    name = "null" if case is Case.TOURNAMENT else "untrained"
    assert lines[f"{name}_05"].has_passed is False
    assert lines[f"{name}_005"].has_passed is False


def test_a_miner_that_looks_ahead_three_bars_is_caught_on_few_markets() -> None:
    lines = measure(null_tasks(Case.PATTERNS_NULL, 5, Mutant.LOOKAHEAD))
    assert lines["null_found"].has_passed is False
    assert lines["null_confirmed"].has_passed is False


def test_a_miner_that_does_not_is_not() -> None:
    lines = measure(null_tasks(Case.PATTERNS_NULL, 10))
    assert lines["null_found"].has_passed is True
    assert lines["null_confirmed"].has_passed is True


@pytest.mark.slow
@pytest.mark.parametrize("case", [Case.UNTRAINED, Case.TOURNAMENT])
def test_the_gate_promotes_luck_at_its_stated_rate(case: Case) -> None:
    tasks = null_tasks(case, N_MARKETS)
    lines = measure(with_other_kinds(tasks) if case is Case.TOURNAMENT else tasks)
    name = "null" if case is Case.TOURNAMENT else "untrained"
    assert lines[f"{name}_05"].has_passed is True
    assert lines[f"{name}_005"].has_passed is True
    assert lines[f"{name}_naive"].value > 0.25


@pytest.mark.slow
def test_the_winner_picked_on_test_is_caught() -> None:
    lines = measure(with_other_kinds(null_tasks(Case.TOURNAMENT, N_MARKETS, Mutant.PICK_ON_TEST)))
    assert lines["null_05"].has_passed is False


@pytest.mark.slow
def test_a_model_picked_on_test_is_caught() -> None:
    lines = measure(null_tasks(Case.UNTRAINED, N_MARKETS, Mutant.PICK_ON_TEST))
    assert lines["untrained_05"].has_passed is False


@pytest.mark.slow
def test_a_look_ahead_by_one_bar_is_promoted_almost_everywhere() -> None:
    lines = measure(with_other_kinds(null_tasks(Case.TOURNAMENT, N_MARKETS, Mutant.LOOKAHEAD)))
    assert lines["null_005"].value > 0.9


@pytest.mark.slow
def test_planted_signals_are_promoted() -> None:
    tasks = [*null_tasks(Case.TOURNAMENT, 2), *planted_tasks("P1", 20), *planted_tasks("P2", 20)]
    lines = measure([*tasks, MarketTask(Case.TOURNAMENT, "N6", 0, SEED)])
    assert lines["P1_05"].has_passed is True
    assert lines["P2_05"].has_passed is True


@pytest.mark.slow
def test_no_timing_skill_is_promoted_in_a_rising_market() -> None:
    tasks = [*null_tasks(Case.TOURNAMENT, 2), *planted_tasks("N6", N_MARKETS)]
    lines = measure([*tasks, *planted_tasks("P1", 1), *planted_tasks("P2", 1)])
    assert lines["N6_05"].has_passed is True
    assert lines["N6_005"].has_passed is True


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing() -> None:
    parts = ("models", "tournaments", "patterns")
    seen = []
    one, two = (HonestyOptions(2, parts, n_workers=n_workers) for n_workers in (1, 2))
    assert run_benchmark(one) == run_benchmark(two, lambda n_done, n_tasks: seen.append((n_done, n_tasks)))
    assert seen == [(number, 11) for number in range(1, 12)]


@pytest.mark.slow
def test_a_real_training_is_repeatable_and_sits_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    from sessions.honesty import training

    tiny = Preset("tiny", 4, 2, 0.01, 2, 0.02, 2, 60.0, "For tests")
    monkeypatch.setattr(training, "get_preset", lambda name: tiny)
    task = MarketTask(Case.TRAINED, "P1", 0, SEED)
    outcome = run_market(task)
    assert outcome == run_market(task)
    assert outcome.verdict in ("passed", "not_proven", "cannot_tell")


def test_a_trained_candidate_carries_the_overlay_that_validation_chose(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from sessions.honesty import training

    made = []

    def spy(positions, bars, *rest):
        made.append((len(bars), choose_overlay(positions, bars, *rest)))
        return made[-1][1]

    monkeypatch.setattr(training, "choose_overlay", spy)
    room = open_room(MarketTask(Case.TRAINED, "P1", 0, SEED))
    model = training.train_quickly(
        room, 1, tmp_path, Preset("tiny", 1, 1, 0.01, 1, 0.02, 1, 60.0, "For tests")
    )
    ((n_seen, choice),) = made
    assert n_seen == room.split.validation.stop
    assert model is not None and model.overlays == choice.overlays != ()
