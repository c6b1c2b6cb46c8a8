"""One sealed exam on a market of known truth, graded at both levels that the benchmark counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategies.grading import ExamRoom
from trainingday.stats.gate import Exam, Verdict
from trainingday.typing import FloatArray

STRICT, LOOSE = 0.005, 0.05
# EVIDENCE, "The honesty benchmark": without costs luck is at its best, 2 basis points leave the planted drift.
NULL_FEE, PLANTED_FEE = 0.0, 0.0002


@dataclass(frozen=True)
class ExamOutcome:
    """What the gate said of one session's candidate.

    Attributes
    ----------
    kind : str
        N1..N6, P1 or P2.
    verdict : str
        At level 0.05; "no_candidate" where the session found none.
    p_value : float or None
        None where the exam was not graded.
    is_promoted, is_promoted_strictly : bool
        Passed at level 0.05, and at the product's 0.005.
    is_naive : bool
        The rule that this product replaces would have promoted: the Sharpe ratio on test is higher than the
        champion's (than the market baseline's where there is no champion).
    """

    kind: str
    verdict: str
    p_value: float | None
    is_promoted: bool
    is_promoted_strictly: bool
    is_naive: bool


def sit_exam(
    room: ExamRoom, kind: str, candidate: FloatArray | None, champion: FloatArray | None = None
) -> ExamOutcome:
    """Return the outcome of a candidate's exam; None means that the session found no candidate."""
    if candidate is None:
        return ExamOutcome(kind, "no_candidate", None, False, False, False)
    paper = room.hand_in(candidate, champion)
    loose, strict = (paper.grade(Exam(level=level)) for level in (LOOSE, STRICT))
    ratios = {name: result.metrics.sharpe_ratio or 0.0 for name, result in paper.results.items()}
    rival = "champion" if champion is not None else next(name for name in ratios if name != "candidate")
    return ExamOutcome(
        kind,
        loose.verdict.value,
        loose.p_value,
        loose.verdict is Verdict.PASSED,
        strict.verdict is Verdict.PASSED,
        ratios["candidate"] > ratios[rival],
    )


def one_bar_early(positions: FloatArray) -> FloatArray:
    """Return positions that know one bar ahead: the fault of the mutant "lookahead"."""
    early: FloatArray = np.append(positions[1:], positions[-1])
    return early
