"""The exam room: the only place that reads test bars, and the ledger of who did (EVIDENCE.md, G0 to G5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

from strategies import queries
from strategies.grading import ExamRoom
from strategies.hooks import champion_changed
from strategies.models import Champion, ForwardRecord, Look, Strategy, ValidationRecord
from strategies.positions import CONTROLS, positions_of
from trainingday.backtest.engine import Costs
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, StateConflict
from trainingday.markets.models import Dataset, Market, TestWindow
from trainingday.markets.splits import Split
from trainingday.runs.context import RunContext
from trainingday.stats.gate import Decision, Exam, Verdict
from trainingday.typing import JSONDict

NO_CHALLENGER = "no_challenger"
MAX_RETRIES = 5


@dataclass(frozen=True, eq=False)
class ExamResult:
    """What became of a candidate.

    Attributes
    ----------
    verdict : str
        A value of the gate's `Verdict`, or "no_challenger": no exam was sat.
    reason : str
        One sentence for people, without a sealed number.
    look : Look or None
        The use of the test window; None where no exam was sat.
    exams_left : int
        Sealed exams left on this test window after this one.
    champion : Champion or None
        The market's champion after this exam.
    previous : Champion or None
        The champion that the candidate replaced; None unless it passed.
    public : dict
        For the gate card: the gate's `public_dict`, or verdict and reason alone.
    """

    verdict: str
    reason: str
    look: Look | None
    exams_left: int
    champion: Champion | None
    previous: Champion | None
    public: JSONDict

    @property
    def has_passed(self) -> bool:
        return self.verdict == Verdict.PASSED.value


@dataclass(frozen=True, eq=False)
class Ledger:
    """What the ledger said when an exam was prepared; an exam counts only while it still says so."""

    exams_left: int
    best_score: float | None
    champion_id: int | None

    @classmethod
    def read(cls, market: Market, window: TestWindow) -> Ledger:
        champion = queries.current_champion(market)
        return cls(
            queries.exams_left(market, window),
            queries.best_validation(market, window),
            champion.pk if champion else None,
        )

    def same_as(self, other: Ledger) -> bool:
        return (self.exams_left, self.best_score, self.champion_id) == (
            other.exams_left,
            other.best_score,
            other.champion_id,
        )


@dataclass(frozen=True, eq=False)
class Preparation:
    """A graded exam that nobody knows of yet: it exists once `record_exam` has stored it.

    `decision` is None where no exam was sat; `evidence` holds the metrics on the test bars of the candidate
    and of what it was compared with.
    """

    ledger: Ledger
    verdict: str
    reason: str
    decision: Decision | None
    evidence: JSONDict


def exams_left(market: Market, window: TestWindow) -> int:
    """Return how many sealed exams of a test window are left (ten, refilled by a promotion)."""
    return queries.exams_left(market, window)


def is_challenger(market: Market, window: TestWindow, score: float | None) -> bool:
    """Return whether a validation score exceeds every earlier one on the same bars; None never does."""
    best = queries.best_validation(market, window)
    return score is not None and (best is None or score > best)


def examine(
    context: RunContext,
    *,
    market: Market,
    dataset: Dataset,
    window: TestWindow,
    split: Split,
    bars: Bars,
    strategy: Strategy,
    score: float | None,
    also: Callable[[ExamResult], None] | None = None,
) -> ExamResult:
    """Return the outcome of a run's one exam, sitting it if the candidate is a challenger.

    Parameters
    ----------
    context : RunContext
        Of the run that found the candidate: a run sits at most one exam.
    market : Market
    dataset, window, split, bars
        The bars and their segments; `split.test` must be the window.
    strategy : Strategy
        The candidate, exactly as it would be deployed.
    score : float or None
        Its annualised Sharpe ratio on the whole of validation, net of the market's costs.
    also : callable, optional
        Writes of the caller that belong to the verdict, in the same transaction. It is not called again
        when a repeated run finds its exam recorded.

    Raises
    ------
    InvalidArgument
        If the split's test segment is not in the window, or the candidate is a control.
    FenceLost
        If another worker has taken the run over.

    Notes
    -----
    The exam is graded before the transaction opens. If another run has sat an exam meanwhile, this one is
    graded again against what the ledger says now.
    """
    _check(strategy, split, window, bars)
    if recorded := _recorded(context, market, window):
        return recorded
    for _ in range(MAX_RETRIES):
        preparation = prepare_exam(
            market=market, window=window, split=split, bars=bars, strategy=strategy, score=score
        )
        with context.transaction():
            result = record_exam(
                context,
                preparation,
                market=market,
                dataset=dataset,
                window=window,
                strategy=strategy,
                score=score,
            )
            if result is not None:
                if also is not None:
                    also(result)
                return result
    raise StateConflict(f"the exams of {market.slug} changed {MAX_RETRIES} times while this one was graded")


def prepare_exam(
    *, market: Market, window: TestWindow, split: Split, bars: Bars, strategy: Strategy, score: float | None
) -> Preparation:
    """Return the graded exam of a candidate; writes nothing.

    The candidate and the champion are scored on the same test bars, net of the market's costs, each from
    flat. They must beat the market baseline as well: buy & hold if its Sharpe ratio over train and
    validation is positive, else flat; which one is known before the exam.
    """
    ledger = Ledger.read(market, window)
    champion = queries.current_champion(market)
    if champion is not None and champion.strategy_id == strategy.pk:
        reason = "No exam: the best candidate is the champion itself."
        return Preparation(ledger, NO_CHALLENGER, reason, None, {})
    if not is_challenger(market, window, score):
        return Preparation(ledger, NO_CHALLENGER, _no_challenger_reason(score, ledger.best_score), None, {})
    # Each strategy sees earlier bars, to warm up, and none after the test segment.
    seen = bars[: split.test.stop]
    paper = _room(market, bars, split).hand_in(
        positions_of(strategy, seen), positions_of(champion.strategy, seen) if champion else None
    )
    decision = paper.grade(Exam(level=market.alpha, exams_left=ledger.exams_left))
    return Preparation(ledger, decision.verdict.value, decision.reason, decision, paper.evidence())


def record_exam(
    context: RunContext,
    preparation: Preparation,
    *,
    market: Market,
    dataset: Dataset,
    window: TestWindow,
    strategy: Strategy,
    score: float | None,
) -> ExamResult | None:
    """Store a graded exam, and the new champion if it passed; call it inside `context.transaction`.

    Returns
    -------
    ExamResult or None
        None, with nothing written, if the ledger has changed since the exam was prepared.
    """
    Market.objects.select_for_update().get(pk=market.pk)  # one exam of a market at a time
    if not preparation.ledger.same_as(Ledger.read(market, window)):
        return None
    ValidationRecord.objects.create(
        market=market,
        test_window=window,
        strategy=strategy,
        run_kind=context.kind,
        run_pk=context.pk,
        score=score,
    )
    look, previous = None, None
    if preparation.decision is not None:
        look = _store_look(context, preparation, preparation.decision, market, dataset, window, strategy)
        if preparation.decision.verdict is Verdict.PASSED:
            previous = crown(market, strategy, reason=preparation.reason, look=look)
    return _result(preparation.verdict, preparation.reason, look, market, window, previous)


def crown(
    market: Market,
    strategy: Strategy,
    *,
    reason: str,
    look: Look | None = None,
    decided_by: object | None = None,
    restores: Champion | None = None,
    resumes: Champion | None = None,
    forward: ForwardRecord | None = None,
) -> Champion | None:
    """Make a strategy the market's champion and return the reign that ended; inside a transaction."""
    previous = dethrone(market)
    new = Champion.objects.create(
        market=market,
        strategy=strategy,
        look=look,
        reason=reason,
        decided_by=decided_by,  # type: ignore[misc]
        restores=restores,
        resumes=resumes,
        forward=forward,
    )
    champion_changed.send(Champion, old=previous, new=new)
    return previous


def dethrone(market: Market) -> Champion | None:
    """End the reign of the market's champion and return it, None if there was none."""
    champion = queries.current_champion(market)
    if champion is not None:
        champion.until = timezone.now()
        champion.save(update_fields=["until"])
    return champion


def market_baseline(market: Market, bars: Bars, split: Split) -> str:
    """Return "buy_and_hold" if that had a positive Sharpe ratio over train and validation, else "flat"."""
    return _room(market, bars, split).market_baseline()


def costs_of(market: Market) -> Costs:
    return Costs(fee=market.fee, slippage=market.slippage)


def _room(market: Market, bars: Bars, split: Split) -> ExamRoom:
    return ExamRoom(bars, split, costs_of(market), market.bars_per_year)


def _store_look(
    context: RunContext,
    preparation: Preparation,
    decision: Decision,
    market: Market,
    dataset: Dataset,
    window: TestWindow,
    strategy: Strategy,
) -> Look:
    sealed = {**decision.as_dict(), "evidence": preparation.evidence}
    public = sealed if decision.verdict is Verdict.PASSED else decision.public_dict()
    return Look.objects.create(
        market=market,
        test_window=window,
        dataset=dataset,
        strategy=strategy,
        run_kind=context.kind,
        run_pk=context.pk,
        is_charged=decision.verdict.uses_exam,
        level=decision.level,
        p_value=decision.p_value,
        verdict=decision.verdict.value,
        decision={"sealed": sealed, "public": public},
    )


def _recorded(context: RunContext, market: Market, window: TestWindow) -> ExamResult | None:
    """Return the outcome that an earlier attempt of this run has recorded, or None."""
    mine = {"run_kind": context.kind, "run_pk": context.pk}
    look = Look.objects.filter(**mine).select_related("strategy").first()
    if look is not None:
        reason = str(queries.public_decision(look)["reason"])
        return _result(look.verdict, reason, look, look.market, look.test_window, None)
    record = ValidationRecord.objects.filter(**mine).first()
    if record is None:
        return None
    best = queries.best_validation(market, window, before=record.pk)
    return _result(NO_CHALLENGER, _no_challenger_reason(record.score, best), None, market, window, None)


def _result(
    verdict: str,
    reason: str,
    look: Look | None,
    market: Market,
    window: TestWindow,
    previous: Champion | None,
) -> ExamResult:
    public = queries.public_decision(look) if look else {"verdict": verdict, "reason": reason}
    left, champion = queries.exams_left(market, window), queries.current_champion(market)
    return ExamResult(verdict, reason, look, left, champion, previous, public)


def _no_challenger_reason(score: float | None, best: float | None) -> str:
    if score is None:
        return "No exam: the best candidate's validation Sharpe ratio is undefined."
    if best is None or score > best:
        return "No exam: the best candidate is the champion itself."
    return (
        f"No exam: the validation Sharpe ratio of {score:.3f} does not exceed the record of {best:.3f} "
        "on these bars, so none of the sealed exams was used."
    )


def _check(strategy: Strategy, split: Split, window: TestWindow, bars: Bars) -> None:
    if strategy.family in CONTROLS:
        raise InvalidArgument(f"a control sits no exam: the candidate should not be {strategy.family}")
    stamps = bars.timestamps[split.test]
    if stamps.size == 0 or int(stamps[0]) < window.first_us or int(stamps[-1]) > window.last_us:
        raise InvalidArgument(f"the split's test segment should lie in the window {window}, does not")
