"""From outcomes to lines: rates with exact intervals, the rule of each, and whether it holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from patterns.discovery.honesty import NullOutcome, PlantedOutcome
from sessions.honesty.exams import LOOSE, STRICT, ExamOutcome
from sessions.honesty.options import Case, MarketTask
from sessions.honesty.rules import fails_from, needed_for_power
from trainingday.stats.proportions import clopper_pearson_interval
from trainingday.synthetic import NULL_MARKETS
from trainingday.typing import JSONDict

# (floor, rate measured on the prototype), EVIDENCE "The honesty benchmark".
POWER = {"P1": (0.60, 0.75), "P2": (0.65, 0.79)}
TOO_FEW = "too few to judge"
FOUND_RATE, CONFIRMED_RATE = 0.10, 0.01
# Planted words of ten that a session recovers: least mean, and mean and deviation between markets as measured.
WORDS_FLOOR, WORDS_MEAN, WORDS_DEVIATION = 4.0, 5.5, 2.0
Z_ONE_PERCENT, Z_95 = 2.326348, 1.959964


@dataclass(frozen=True)
class Line:
    """One measured rate or mean.

    Attributes
    ----------
    part, name, title : str
        Part, stable key, and words for people.
    unit : str
        "rate": `value` is a fraction of n sessions; "words": a mean over n sessions.
    n : int
        Sessions, each on a market of its own.
    count : int or None
        Sessions that count; None for a mean.
    value, low, high : float
        Estimate with its 95 % interval: Clopper-Pearson for a rate, normal for a mean.
    rule : str
        What makes it fail; "" where it is only reported.
    has_passed : bool or None
        None where it is only reported.
    """

    part: str
    name: str
    title: str
    unit: str
    n: int
    count: int | None
    value: float
    low: float
    high: float
    rule: str
    has_passed: bool | None

    def as_dict(self) -> JSONDict:
        return asdict(self)


def report_lines(results: Sequence[tuple[MarketTask, Any]]) -> list[Line]:
    """Return the lines of every case that has outcomes, models first, then tournaments, then patterns."""
    by_case: dict[Case, list[Any]] = {}
    for task, outcome in results:
        by_case.setdefault(task.case, []).append(outcome)
    lines: list[Line] = []
    if Case.UNTRAINED in by_case:
        lines += _null_exams("models", "untrained", "Random weights, no signal", by_case[Case.UNTRAINED])
    if Case.TRAINED in by_case:
        lines += _trained(by_case[Case.TRAINED])
    if Case.TOURNAMENT in by_case:
        lines += _tournaments(by_case[Case.TOURNAMENT])
    if Case.PATTERNS_NULL in by_case:
        lines += _patterns_null(by_case[Case.PATTERNS_NULL])
    if Case.PATTERNS_PLANTED in by_case:
        lines += _patterns_planted(by_case[Case.PATTERNS_PLANTED])
    return lines


def rate_line(
    part: str,
    name: str,
    title: str,
    count: int,
    n: int,
    *,
    at_most: float | None = None,
    at_least: tuple[float, float] | None = None,
) -> Line:
    """Return a rate with its interval and its rule.

    Parameters
    ----------
    at_most : float, optional
        The true rate of a faultless product; see `fails_from`.
    at_least : (floor, reference), optional
        See `needed_for_power`.
    """
    interval = clopper_pearson_interval(count, n)
    low, high = (0.0, 1.0) if interval is None else (interval.low, interval.high)
    rule, has_passed = "", None
    # A rule that nothing can fail is no rule.
    if at_most is not None:
        limit = fails_from(n, at_most)
        rule, has_passed = (f"fewer than {limit}", count < limit) if limit <= n else (TOO_FEW, None)
    if at_least is not None:
        limit = needed_for_power(n, *at_least)
        rule, has_passed = (f"at least {limit}", count >= limit) if limit else (TOO_FEW, None)
    return Line(part, name, title, "rate", n, count, count / n, low, high, rule, has_passed)


def _null_exams(part: str, name: str, title: str, outcomes: Sequence[ExamOutcome]) -> Iterator[Line]:
    n = len(outcomes)
    loose = sum(one.is_promoted for one in outcomes)
    strict = sum(one.is_promoted_strictly for one in outcomes)
    naive = sum(one.is_naive for one in outcomes)
    yield rate_line(part, f"{name}_05", f"{title}: promoted at p ≤ {LOOSE:g}", loose, n, at_most=LOOSE)
    yield rate_line(part, f"{name}_005", f"{title}: promoted at p ≤ {STRICT:g}", strict, n, at_most=STRICT)
    yield rate_line(part, f"{name}_naive", f"{title}: “higher Sharpe wins” would promote", naive, n)


def _power(
    part: str,
    name: str,
    title: str,
    outcomes: Sequence[ExamOutcome],
    at_least: tuple[float, float] | None = None,
) -> Iterator[Line]:
    n = len(outcomes)
    loose = sum(one.is_promoted for one in outcomes)
    strict = sum(one.is_promoted_strictly for one in outcomes)
    yield rate_line(part, f"{name}_05", f"{title}: promoted at p ≤ {LOOSE:g}", loose, n, at_least=at_least)
    yield rate_line(part, f"{name}_005", f"{title}: promoted at p ≤ {STRICT:g}", strict, n)


def _trained(outcomes: Sequence[ExamOutcome]) -> Iterator[Line]:
    null = [one for one in outcomes if one.kind in NULL_MARKETS]
    yield from _null_exams("models", "trained_null", "Trained, no signal (N3)", null)
    planted = [one for one in outcomes if one.kind not in NULL_MARKETS]
    yield from _power("models", "trained_P1", "Trained, planted AR(1) (P1)", planted)


def _tournaments(outcomes: Sequence[ExamOutcome]) -> Iterator[Line]:
    null = [one for one in outcomes if one.kind in NULL_MARKETS]
    yield from _null_exams("tournaments", "null", "No signal, no costs (N1–N5)", null)
    trap = [one for one in outcomes if one.kind == "N6"]
    yield from _null_exams("tournaments", "N6", "Rising market, no signal (N6)", trap)
    for kind, title in (("P1", "Planted AR(1) (P1)"), ("P2", "Planted drift regimes (P2)")):
        own = [one for one in outcomes if one.kind == kind]
        yield from _power("tournaments", kind, title, own, POWER[kind])


def _patterns_null(outcomes: Sequence[NullOutcome]) -> Iterator[Line]:
    n = len(outcomes)
    found = sum(one.n_candidates > 0 for one in outcomes)
    confirmed = sum(one.n_confirmed > 0 for one in outcomes)
    title = "No patterns (N1–N5)"
    yield rate_line(
        "patterns", "null_found", f"{title}: sessions that find any", found, n, at_most=FOUND_RATE
    )
    yield rate_line(
        "patterns",
        "null_confirmed",
        f"{title}: sessions that confirm any",
        confirmed,
        n,
        at_most=CONFIRMED_RATE,
    )


def _patterns_planted(outcomes: Sequence[PlantedOutcome]) -> Iterator[Line]:
    recovered = [one.n_words_recovered for one in outcomes]
    false = [one.n_words_false for one in outcomes]
    least = min(WORDS_FLOOR, WORDS_MEAN - Z_ONE_PERCENT * WORDS_DEVIATION / math.sqrt(len(outcomes)))
    yield _mean_line("planted_recovered", "Ten planted words: recovered per session", recovered, least)
    yield _mean_line("planted_false", "Ten planted words: false ones confirmed per session", false, None)


def _mean_line(name: str, title: str, values: Sequence[int], least: float | None) -> Line:
    n = len(values)
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    half = Z_95 * math.sqrt(variance / n)
    rule = "" if least is None else f"at least {least:.1f}"
    has_passed = None if least is None else mean >= least
    low, high = max(mean - half, 0.0), mean + half
    return Line("patterns", name, title, "words", n, None, mean, low, high, rule, has_passed)
