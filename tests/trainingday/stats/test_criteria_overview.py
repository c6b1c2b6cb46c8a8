"""The success criteria over many sessions: counted exactly, never read as better than they are."""

import pytest

from trainingday.stats.criteria_overview import HEADINGS, overview
from trainingday.stats.criterion import DRAWDOWN, ENSEMBLE, GENERATION, PATTERNS, SHARPE, VALIDATED
from trainingday.stats.proportions import clopper_pearson_interval


def session(heading, met, value=1.0, market=1):
    return (market, [heading.decided(value, None, None, 10, met, "").as_dict()])


def found(heading, sessions):
    return next(row for row in overview(sessions) if row.name == heading.name)


def test_every_criterion_of_the_mission_is_there_even_before_the_first_session():
    rows = overview([])
    assert [row.name for row in rows] == [heading.name for heading in HEADINGS]
    assert {(row.n, row.met, row.rate, row.share, row.median) for row in rows} == {
        (0, None, None, None, None)
    }


def test_a_share_has_its_exact_interval_and_what_cannot_be_told_is_not_counted():
    sessions = [session(SHARPE, met) for met in [True] * 3 + [False] * 5 + [None] * 4]
    row = found(SHARPE, sessions)
    assert (row.n, row.n_decided, row.n_met, row.n_open) == (12, 8, 3, 4)
    assert row.share == clopper_pearson_interval(3, 8)
    assert row.rate == pytest.approx(0.375)


@pytest.mark.parametrize(
    ("n_met", "n_missed", "expected"),
    [(5, 0, None), (6, 0, True), (0, 6, False), (0, 5, None), (9, 3, None), (30, 10, True), (10, 30, False)],
)
def test_it_is_met_only_where_most_sessions_met_it_beyond_chance(n_met, n_missed, expected):
    # 6 of 6: the exact interval starts at 0.025 ** (1/6) = 0.541; 5 of 5: at 0.478.
    sessions = [session(PATTERNS, True)] * n_met + [session(PATTERNS, False)] * n_missed
    assert found(PATTERNS, sessions).met is expected


def test_one_promotion_without_proof_breaks_what_must_hold_for_all():
    good = [session(VALIDATED, True, market=number) for number in range(20)]
    assert found(VALIDATED, good).met is True
    assert found(VALIDATED, [*good, session(VALIDATED, False, market=99)]).met is False
    assert found(VALIDATED, [session(VALIDATED, None)]).met is None


def test_what_already_reaches_over_generations_counts_once_a_market():
    newest_first = [
        session(GENERATION, True, 0.2, market=1),
        session(GENERATION, False, 0.0, market=1),
        session(GENERATION, False, 0.05, market=2),
    ]
    row = found(GENERATION, newest_first)
    assert (row.unit, row.n, row.n_met) == ("market", 2, 1)
    assert row.median == pytest.approx(0.125)
    assert found(DRAWDOWN, [session(DRAWDOWN, True)] * 3).unit == "session"


def test_a_median_has_an_interval_from_six_values_on():
    values = [0.1, 0.5, 0.2, 0.9, 0.4]
    five = found(DRAWDOWN, [session(DRAWDOWN, True, value) for value in values])
    assert (five.median, five.spread, five.n_values) == (0.4, None, 5)
    six = found(DRAWDOWN, [session(DRAWDOWN, True, value) for value in [*values, 0.3]])
    assert six.spread is not None and tuple(six.spread) == (0.1, 0.9)


def test_undecided_values_are_in_another_unit_and_stay_out_of_the_median():
    sessions = [session(SHARPE, True, 0.08), session(SHARPE, None, 1.7), session(SHARPE, False, None)]
    row = found(SHARPE, sessions)
    assert (row.median, row.n_values) == (0.08, 1)


def test_the_newest_session_says_where_it_was_measured():
    rows = [
        SHARPE.decided(0.1, None, None, 9, True, note).as_dict() for note in ("On validation.", "On test.")
    ]
    assert found(SHARPE, [(1, [row]) for row in rows]).note == "On validation."
    assert found(SHARPE, []).note == ""


def test_a_name_of_another_version_is_left_out():
    assert found(SHARPE, [(1, [{"name": "consciousness", "met": True, "value": 1.0}])]).n == 0


def test_ensembles_on_new_bars_do_not_hide_what_was_decided_on_earlier_ones():
    rows = [
        session(ENSEMBLE, None, None, market=1),  # the newest: too few sessions on its bars yet
        session(ENSEMBLE, True, 0.4, market=1),
        session(ENSEMBLE, False, -0.1, market=1),
        session(ENSEMBLE, None, None, market=2),
    ]
    row = found(ENSEMBLE, rows)
    assert (row.unit, row.n, row.n_decided, row.n_met, row.median) == ("market", 2, 1, 1, 0.4)
