"""How many sealed exams a test window has left, and when a new window opens (EVIDENCE.md, G5)."""

from __future__ import annotations

from collections.abc import Iterable

from trainingday.exceptions import InvalidArgument
from trainingday.stats.evidence import Verdict

N_EXAMS = 10


def exams_left(verdicts: Iterable[Verdict], n_exams: int = N_EXAMS) -> int:
    """Return the exams left after `verdicts`, the looks at one test window in the order they were taken.

    Notes
    -----
    A graded exam costs one; a promotion refills all of them, which is alpha investing with the payout of
    a full set; an exam that was not graded costs nothing.
    """
    left = n_exams
    for verdict in verdicts:
        if not verdict.uses_exam:
            continue
        if left == 0:
            raise InvalidArgument(f"verdicts should hold at most {n_exams} exams between promotions")
        left = n_exams if verdict is Verdict.PASSED else left - 1
    return left


def is_fresh_window(window_start: int, examined_until: int | None) -> bool:
    """Return whether a test window shares no bar with those already examined.

    Parameters
    ----------
    window_start : int
        Opening time of its first bar, microseconds UTC.
    examined_until : int or None
        Opening time of the last bar that any exam has seen; None before the first exam.
    """
    return examined_until is None or window_start > examined_until


def bars_to_wait(n_window_bars: int, n_newer_bars: int) -> int:
    """Return how many bars must still arrive before a completely fresh test window is full.

    Parameters
    ----------
    n_window_bars : int
        Bars of a test window, >= 1.
    n_newer_bars : int
        Bars that are newer than any examined one, >= 0.
    """
    if n_window_bars < 1:
        raise InvalidArgument(f"n_window_bars should be >= 1, is {n_window_bars}")
    if n_newer_bars < 0:
        raise InvalidArgument(f"n_newer_bars should be >= 0, is {n_newer_bars}")
    return max(0, n_window_bars - n_newer_bars)
