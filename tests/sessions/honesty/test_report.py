"""Outcomes become rates with exact intervals, each with its rule."""

import pytest

from patterns.discovery.honesty import NullOutcome, PlantedOutcome
from sessions.honesty.exams import ExamOutcome
from sessions.honesty.options import Case, MarketTask
from sessions.honesty.report import Line, report_lines


def exam(kind: str, *, loose: bool = False, strict: bool = False, naive: bool = False) -> ExamOutcome:
    return ExamOutcome(kind, "passed" if loose else "not_proven", 0.5, loose, strict, naive)


def lines_of(case: Case, outcomes: list[object]) -> dict[str, Line]:
    results = [(MarketTask(case, "N1", index, 1), outcome) for index, outcome in enumerate(outcomes)]
    return {line.name: line for line in report_lines(results)}


def test_three_of_sixty_has_the_interval_of_clopper_and_pearson() -> None:
    outcomes = [exam("N1", loose=index < 3, naive=index < 30) for index in range(60)]
    line = lines_of(Case.UNTRAINED, [*outcomes])["untrained_05"]
    assert (line.count, line.n, line.value) == (3, 60, 0.05)
    assert (line.low, line.high) == pytest.approx((0.0104, 0.1392), abs=5e-5)


def test_nineteen_false_promotions_of_200_fail_and_eighteen_do_not() -> None:
    for count, has_passed in ((18, True), (19, False)):
        outcomes = [exam("N1", loose=index < count) for index in range(200)]
        assert lines_of(Case.UNTRAINED, [*outcomes])["untrained_05"].has_passed is has_passed


def test_five_strict_false_promotions_of_200_fail_and_four_do_not() -> None:
    for count, has_passed in ((4, True), (5, False)):
        outcomes = [exam("N1", loose=True, strict=index < count) for index in range(200)]
        assert lines_of(Case.UNTRAINED, [*outcomes])["untrained_005"].has_passed is has_passed


def test_the_naive_rule_is_reported_and_never_fails() -> None:
    line = lines_of(Case.UNTRAINED, [exam("N1", naive=True)] * 50)["untrained_naive"]
    assert (line.value, line.rule, line.has_passed) == (1.0, "", None)


def test_tournaments_separate_null_trap_and_planted_markets() -> None:
    kinds = ["N1", "N4"] * 20 + ["N6"] * 20 + ["P1"] * 20 + ["P2"] * 20
    lines = lines_of(Case.TOURNAMENT, [exam(kind, loose=kind == "P2") for kind in kinds])
    assert [lines[name].n for name in ("null_05", "N6_05", "P1_05", "P2_05")] == [40, 20, 20, 20]
    assert lines["null_05"].has_passed is True
    assert lines["P1_05"].has_passed is False
    assert lines["P2_05"].has_passed is True
    assert lines["P2_005"].has_passed is None


def test_a_rule_that_nothing_can_fail_is_not_said_to_hold() -> None:
    line = lines_of(Case.TOURNAMENT, [exam("N1"), exam("N6"), exam("P1"), exam("P2")])["P1_05"]
    assert (line.rule, line.has_passed) == ("too few to judge", None)


def test_sessions_with_patterns_count_not_patterns() -> None:
    outcomes = [
        NullOutcome("N1", 3000, n_candidates=9 * (i < 31), n_confirmed=5 * (i < 6)) for i in range(200)
    ]
    lines = lines_of(Case.PATTERNS_NULL, [*outcomes])
    assert (lines["null_found"].count, lines["null_found"].has_passed) == (31, False)
    assert (lines["null_confirmed"].count, lines["null_confirmed"].has_passed) == (6, True)


@pytest.mark.parametrize(("recovered", "has_passed"), [(4, True), (3, False)])
def test_four_words_of_ten_are_needed(recovered: int, has_passed: bool) -> None:
    lines = lines_of(Case.PATTERNS_PLANTED, [PlantedOutcome(10, 50, 6, 6, recovered, 0)] * 200)
    assert (lines["planted_recovered"].value, lines["planted_recovered"].has_passed) == (
        recovered,
        has_passed,
    )
    assert lines["planted_false"].has_passed is None
