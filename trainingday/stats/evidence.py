"""What the gate hands back: verdict, rules, comparisons, and what of them may be shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import Enum

from trainingday.typing import FloatArray, JSONDict


class Verdict(str, Enum):  # noqa: UP042  (stored and sent as its text; StrEnum would change its repr)
    """The four answers of an exam."""

    PASSED = "passed"
    NOT_PROVEN = "not_proven"
    CANNOT_TELL = "cannot_tell"
    NO_EXAM_LEFT = "no_exam_left"

    @property
    def uses_exam(self) -> bool:
        """Whether the exam was graded and so must be charged: only graded test returns were looked at."""
        return self in (Verdict.PASSED, Verdict.NOT_PROVEN)


@dataclass(frozen=True, eq=False)
class Baseline:
    """What the candidate must beat on the same bars.

    Attributes
    ----------
    name : str
        "flat", "buy_and_hold" or "champion".
    returns : ndarray of shape (n_bars,)
        Its per-bar net returns on the sealed test bars; zeros for flat.
    """

    name: str
    returns: FloatArray


@dataclass(frozen=True)
class Exam:
    """How strictly this exam is graded.

    Attributes
    ----------
    level : float
        Largest p-value that passes, 0 < level < 0.5.
    exams_left : int
        Sealed exams of this test window not yet used, this one included.
    min_improvement : float
        Smallest annualised Sharpe difference that counts, >= 0.
    """

    level: float = 0.005
    exams_left: int = 10
    min_improvement: float = 0.10


@dataclass(frozen=True)
class RuleOutcome:
    """One rule of the gate card.

    Attributes
    ----------
    name, title : str
        Stable key, and the heading for people.
    threshold : str
        What is asked, in words: "at least 250 bars".
    value : str or None
        What was found; None where it was not looked at or stays sealed.
    passed : bool or None
        None where the rule was not examined or stays sealed.
    reason : str
        One sentence for people.
    """

    name: str
    title: str
    threshold: str
    value: str | None
    passed: bool | None
    reason: str


@dataclass(frozen=True)
class Comparison:
    """The candidate against one baseline; Sharpe ratios and differences annualised.

    Attributes
    ----------
    baseline : str
        Name of the baseline.
    sharpe_candidate, sharpe_baseline, difference, standard_error : float
        Population deviation (ddof 0), annualised by the square root of bars per year.
    ci_low, ci_high : float
        Two-sided interval of the difference at `ci_level`.
    z : float or None
        Difference over standard error; None where both series are the same up to scale.
    p_value : float
        One-sided p-value of "not better than the baseline".
    """

    baseline: str
    sharpe_candidate: float
    sharpe_baseline: float
    difference: float
    standard_error: float
    ci_low: float
    ci_high: float
    z: float | None
    p_value: float
    ci_level: float = 0.90


SEALED_RULES = frozenset({"significance", "improvement"})
SEALED_REASON = "Sealed: a failed exam reveals only that nothing was proven."


@dataclass(frozen=True)
class Decision:
    """The gate's verdict with everything that it saw.

    Attributes
    ----------
    verdict : Verdict
    reason : str
        One sentence for people; after a failed exam it holds no test number.
    p_value : float or None
        Largest of the comparisons' p-values; None where the exam was not graded.
    rules : tuple of RuleOutcome
        In the order in which they are read.
    comparisons : tuple of Comparison
        One per baseline; empty where the exam was not graded.
    detectable_difference : float or None
        None without a bar.
        Smallest annualised improvement over every baseline that this exam would have caught with 80 %
        probability, rounded up to two significant digits: more digits would give away the sealed Sharpe
        ratio through its standard error.
    n_bars, n_trades : int
        What the exam had to go by.
    level : float
        The level it was graded at.
    """

    verdict: Verdict
    reason: str
    p_value: float | None
    rules: tuple[RuleOutcome, ...]
    comparisons: tuple[Comparison, ...]
    detectable_difference: float | None
    n_bars: int
    n_trades: int
    level: float

    @property
    def sensitivity(self) -> str | None:
        """One sentence: what this exam could have seen."""
        if self.detectable_difference is None:
            return None
        return (
            f"An exam of {self.n_bars:,} bars catches a candidate that is truly better by "
            f"{self.detectable_difference:g} in annualised Sharpe ratio 80 times out of 100; "
            "a smaller lead mostly goes unseen."
        )

    def as_dict(self) -> JSONDict:
        """Return everything as JSON-safe values, for the stored evidence only: see `public_dict`."""
        record = asdict(self)
        record["verdict"] = self.verdict.value
        record["rules"] = [asdict(rule) for rule in self.rules]
        record["comparisons"] = [asdict(comparison) for comparison in self.comparisons]
        record["sensitivity"] = self.sensitivity
        return record

    def public_dict(self) -> JSONDict:
        """Return what may be shown or sent: all of it after a pass, else no test number.

        Notes
        -----
        Hidden numbers keep the ten exams valid: a failed candidate's test Sharpe, p-value, or which
        baseline it lost to would steer the next search towards this test window.
        """
        if self.verdict is Verdict.PASSED:
            return self.as_dict()
        sealed = replace(
            self, p_value=None, comparisons=(), rules=tuple(_without_numbers(rule) for rule in self.rules)
        )
        return sealed.as_dict()


def _without_numbers(rule: RuleOutcome) -> RuleOutcome:
    if rule.name in SEALED_RULES and rule.passed is not None:
        return replace(rule, value=None, passed=None, reason=SEALED_REASON)
    return replace(rule, value=None)
