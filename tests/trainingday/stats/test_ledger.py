"""The exam ledger: ten exams, refilled by a promotion, never more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingday.exceptions import InvalidArgument
from trainingday.stats.gate import Verdict
from trainingday.stats.ledger import bars_to_wait, exams_left, is_fresh_window


def test_a_new_window_has_ten_exams():
    assert exams_left([]) == 10


def test_a_graded_exam_costs_one_and_an_ungraded_one_nothing():
    looks = [Verdict.NOT_PROVEN, Verdict.CANNOT_TELL, Verdict.NO_EXAM_LEFT, Verdict.NOT_PROVEN]
    assert exams_left(looks) == 8


def test_a_promotion_refills_the_ten():
    assert exams_left([Verdict.NOT_PROVEN] * 9 + [Verdict.PASSED]) == 10
    assert exams_left([Verdict.PASSED, Verdict.NOT_PROVEN]) == 9


def test_ten_failures_leave_none_and_an_eleventh_was_never_allowed():
    assert exams_left([Verdict.NOT_PROVEN] * 10) == 0
    with pytest.raises(InvalidArgument, match="at most 10 exams between promotions"):
        exams_left([Verdict.NOT_PROVEN] * 10 + [Verdict.PASSED])


@given(st.lists(st.sampled_from(list(Verdict)), max_size=60))
def test_between_promotions_no_more_than_ten_are_ever_graded(verdicts):
    taken = []
    since_promotion = 0
    for verdict in verdicts:
        if verdict.uses_exam and exams_left(taken) == 0:
            continue
        taken.append(verdict)
        since_promotion = 0 if verdict is Verdict.PASSED else since_promotion + verdict.uses_exam
        assert since_promotion <= 10
        assert exams_left(taken) == 10 - since_promotion


def test_a_fresh_window_shares_no_bar_with_an_examined_one():
    assert is_fresh_window(100, None)
    assert is_fresh_window(101, 100)
    assert not is_fresh_window(100, 100)


def test_the_page_says_how_many_bars_to_wait():
    assert bars_to_wait(4_000, 0) == 4_000
    assert bars_to_wait(4_000, 3_999) == 1
    assert bars_to_wait(4_000, 9_000) == 0
    for arguments in ((0, 0), (1, -1)):
        with pytest.raises(InvalidArgument):
            bars_to_wait(*arguments)
