import json
from dataclasses import dataclass

import pytest
from django.db import IntegrityError, transaction

from strategies import exam, grading, queries
from strategies.exam import NO_CHALLENGER, examine, exams_left, is_challenger, market_baseline
from strategies.hooks import champion_changed
from strategies.models import Champion, Look, Strategy, ValidationRecord
from strategies.positions import get_or_create_strategy
from tests.markets import gaussian_bars
from tests.strategies.helpers import context_of, null_market, planted_market, room, store, tournament
from trainingday.bars import Bars
from trainingday.exceptions import FenceLost, InvalidArgument
from trainingday.markets.models import Dataset, Market, TestWindow
from trainingday.markets.services import current_test_window, load_bars
from trainingday.markets.splits import Split, plan_split
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunState
from trainingday.stats.evidence import Decision, RuleOutcome, Verdict

pytestmark = pytest.mark.django_db
SEALED = 0.123456789


@dataclass
class Room:
    """One market with its exam room; `sit` is one run that examines one candidate."""

    market: Market
    dataset: Dataset
    bars: Bars
    window: TestWindow
    split: Split

    def sit(self, score, strategy=None, context=None, also=None):
        context = context or self.context()
        result = examine(
            context,
            market=self.market,
            dataset=self.dataset,
            window=self.window,
            split=self.split,
            bars=self.bars,
            strategy=strategy or self.candidate(20 + Strategy.objects.count()),
            score=score,
            also=also,
        )
        if context.run.state == RunState.RUNNING:
            context.finish(RunState.SUCCEEDED, "")
        return result

    def context(self) -> RunContext:
        return context_of(tournament(self.market))

    def candidate(self, period: int) -> Strategy:
        return get_or_create_strategy(self.market, "breakout", {"period": period})

    def left(self) -> int:
        return exams_left(self.market, self.window)


@pytest.fixture
def null_room(monkeypatch):
    # The queue is not what is tested here.
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)
    market, dataset, bars = null_market()
    return Room(market, dataset, bars, *room(market, dataset, bars))


@pytest.fixture
def grade(monkeypatch):
    """Return a function that fixes what the gate says from now on."""

    def fix(verdict: Verdict) -> None:
        p_value = SEALED if verdict.uses_exam else None
        rules = (RuleOutcome("significance", "t", "p at most 0.005", f"p = {SEALED}", False, "sealed here"),)

        def decide(candidate, baselines, *, n_trades, bars_per_year, exam):
            said = Verdict.NO_EXAM_LEFT if exam.exams_left < 1 else verdict
            return Decision(said, f"It is {said.value}.", p_value, rules, (), 1.5, 300, 40, exam.level)

        monkeypatch.setattr(grading, "decide", decide)

    return fix


def test_ten_exams_then_none_is_left(null_room, grade):
    grade(Verdict.NOT_PROVEN)
    assert null_room.left() == 10
    for number in range(10):
        result = null_room.sit(score=float(number))
        assert (result.verdict, result.exams_left) == ("not_proven", 9 - number)
    result = null_room.sit(score=11.0)
    assert (result.verdict, result.exams_left) == ("no_exam_left", 0)
    assert Look.objects.filter(is_charged=True).count() == 10


def test_a_promotion_refills_the_ten(null_room, grade):
    grade(Verdict.NOT_PROVEN)
    for number in range(4):
        null_room.sit(score=float(number))
    grade(Verdict.PASSED)
    assert null_room.sit(score=5.0).exams_left == 10
    grade(Verdict.NOT_PROVEN)
    assert null_room.sit(score=6.0).exams_left == 9


def test_what_the_gate_cannot_tell_is_not_charged(null_room, grade):
    grade(Verdict.CANNOT_TELL)
    result = null_room.sit(score=1.0)
    assert (result.verdict, result.exams_left) == ("cannot_tell", 10)
    assert result.look.is_charged is False


def test_only_a_new_validation_record_sits_an_exam(null_room, grade):
    grade(Verdict.NOT_PROVEN)
    assert null_room.sit(score=1.0).verdict == "not_proven"
    for score in (0.5, 1.0, None):
        result = null_room.sit(score=score)
        assert (result.verdict, result.look, result.exams_left) == (NO_CHALLENGER, None, 9)
    assert null_room.sit(score=1.01).verdict == "not_proven"


def test_a_refused_challenger_is_told_both_numbers(null_room, grade):
    grade(Verdict.NOT_PROVEN)
    null_room.sit(score=1.25)
    reason = null_room.sit(score=0.75).reason
    assert "0.750" in reason and "1.250" in reason


def test_records_of_other_windows_do_not_count(null_room, grade):
    grade(Verdict.NOT_PROVEN)
    null_room.sit(score=3.0)
    other = TestWindow.objects.create(market=null_room.market, first_us=1, last_us=2)
    assert not is_challenger(null_room.market, null_room.window, 2.0)
    assert is_challenger(null_room.market, other, 2.0)
    assert exams_left(null_room.market, other) == 10


def test_a_new_test_window_brings_ten_new_exams(null_room, grade):
    grade(Verdict.NOT_PROVEN)
    null_room.sit(score=1.0)
    longer = gaussian_bars(len(null_room.bars) + 600, 1)
    dataset = load_bars(null_room.market, longer, "newer").dataset
    window = current_test_window(null_room.market, dataset)
    assert window != null_room.window
    assert exams_left(null_room.market, window) == 10


def test_the_champion_itself_sits_no_exam(null_room, grade):
    grade(Verdict.PASSED)
    strategy = null_room.candidate(9)
    assert null_room.sit(score=1.0, strategy=strategy).has_passed
    result = null_room.sit(score=2.0, strategy=strategy)
    assert (result.verdict, result.look) == (NO_CHALLENGER, None)
    assert "champion itself" in result.reason


def test_a_pass_crowns_the_candidate_and_ends_the_old_reign(null_room, grade):
    grade(Verdict.PASSED)
    changes = []

    def note(sender, old, new, **kwargs):
        changes.append((old and old.strategy_id, new.strategy_id))

    champion_changed.connect(note)
    first, second = null_room.candidate(5), null_room.candidate(6)
    null_room.sit(score=1.0, strategy=first)
    result = null_room.sit(score=2.0, strategy=second)
    champion_changed.disconnect(note)
    assert result.champion.strategy == second
    assert result.previous.strategy == first
    assert result.champion.look == result.look
    assert [reign.until is None for reign in queries.champion_history(null_room.market)] == [True, False]
    assert changes == [(None, first.pk), (first.pk, second.pk)]


def test_the_database_refuses_a_second_champion(null_room, grade):
    grade(Verdict.PASSED)
    null_room.sit(score=1.0)
    with pytest.raises(IntegrityError), transaction.atomic():
        Champion.objects.create(market=null_room.market, strategy=null_room.candidate(9), reason="by hand")


def test_the_database_refuses_a_second_exam_of_a_run(null_room, grade):
    grade(Verdict.NOT_PROVEN)
    look = null_room.sit(score=1.0).look
    look.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        look.save(force_insert=True)


@pytest.mark.parametrize("verdict", [Verdict.NOT_PROVEN, Verdict.CANNOT_TELL, Verdict.PASSED])
def test_a_repeated_run_finds_its_exam_and_uses_no_second_one(null_room, grade, verdict):
    grade(verdict)
    context, calls = null_room.context(), []
    strategy = null_room.candidate(5)
    first = null_room.sit(1.0, strategy, context, also=calls.append)
    again = null_room.sit(1.0, strategy, context, also=calls.append)
    assert (again.verdict, again.reason, again.look) == (first.verdict, first.reason, first.look)
    assert again.exams_left == first.exams_left
    assert again.public == json.loads(json.dumps(first.public))
    assert len(calls) == 1


def test_a_repeated_run_without_an_exam_says_the_same_again(null_room, grade):
    grade(Verdict.NOT_PROVEN)
    null_room.sit(score=2.0)
    context, strategy = null_room.context(), null_room.candidate(5)
    first = null_room.sit(1.0, strategy, context)
    null_room.sit(score=3.0)
    again = null_room.sit(1.0, strategy, context)
    assert (again.verdict, again.reason) == (first.verdict, first.reason)


def test_what_the_caller_writes_and_the_verdict_stand_or_fall_together(null_room, grade):
    grade(Verdict.PASSED)

    def fail(result):
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        null_room.sit(score=1.0, also=fail)
    assert not Look.objects.exists()
    assert not Champion.objects.exists()
    assert not ValidationRecord.objects.exists()


def test_a_worker_that_lost_its_fence_records_nothing(null_room, grade):
    grade(Verdict.PASSED)
    context = null_room.context()
    type(context.run).objects.update(fence=99)
    with pytest.raises(FenceLost):
        null_room.sit(score=1.0, context=context)
    assert not Look.objects.exists()


def test_an_exam_is_graded_again_when_the_ledger_changed_meanwhile(null_room, grade, monkeypatch):
    grade(Verdict.PASSED)
    rival = null_room.candidate(50)
    real, seen = exam.prepare_exam, []

    def prepare(**arguments):
        preparation = real(**arguments)
        if not seen:  # another run of the market promotes its candidate before ours is recorded
            exam.crown(null_room.market, rival, reason="a rival was faster")
        seen.append(preparation.evidence.keys())
        return preparation

    monkeypatch.setattr(exam, "prepare_exam", prepare)
    result = null_room.sit(score=1.0)
    assert len(seen) == 2
    assert "champion" not in seen[0] and "champion" in seen[1]
    assert result.previous.strategy == rival


def test_a_control_sits_no_exam(null_room):
    hold = get_or_create_strategy(null_room.market, "buy_and_hold", {})
    with pytest.raises(InvalidArgument, match="control"):
        null_room.sit(score=9.0, strategy=hold)


def test_bars_outside_the_window_are_refused(null_room):
    window = TestWindow.objects.create(market=null_room.market, first_us=1, last_us=2)
    null_room.window = window
    with pytest.raises(InvalidArgument, match="window"):
        null_room.sit(score=1.0)


def numbers_in(value) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_in(item)]
    if isinstance(value, list | tuple):
        return [number for item in value for number in numbers_in(item)]
    return [value] if isinstance(value, float) else []


def test_a_failed_exam_shows_no_test_number(null_room):
    trader = get_or_create_strategy(null_room.market, "momentum", {"lookback": 5, "threshold": 0.0005})
    result = null_room.sit(score=1.0, strategy=trader)
    assert result.verdict == "not_proven"  # graded by the real gate
    sealed = result.look.decision["sealed"]
    assert sealed["p_value"] > 0 and sealed["comparisons"] and sealed["evidence"]["candidate"]["sharpe_ratio"]
    shown = json.dumps(queries.public_decision(result.look))
    secrets = [*numbers_in(sealed["comparisons"]), *numbers_in(sealed["evidence"]), sealed["p_value"]]
    secrets = [
        number for number in secrets if number not in (0.0, 0.9)
    ]  # a flat baseline, the interval's level
    assert len(secrets) > 20
    assert not [number for number in secrets if repr(number) in shown or f"{number:.4g}" in shown]
    assert result.public == queries.public_decision(result.look)


def test_a_planted_market_crowns_a_strategy_that_follows_it(null_room):
    market, dataset, bars = planted_market("LONG", n_bars=8000, phi=0.3)
    planted = Room(market, dataset, bars, *room(market, dataset, bars))
    strategy = get_or_create_strategy(market, "momentum", {"lookback": 2, "threshold": 0.0005})
    result = planted.sit(score=5.0, strategy=strategy)
    assert result.has_passed, result.reason
    assert result.look.p_value <= 0.005
    assert queries.current_champion(market).strategy == strategy
    assert queries.public_decision(result.look)["comparisons"][0]["difference"] > 0.1


def test_the_market_baseline_is_chosen_without_the_test_bars():
    bars = gaussian_bars(3000, 5)
    market, dataset, _ = store("BASE", bars)
    _, split = room(market, dataset, bars)
    chosen = market_baseline(market, bars, split)
    crashed = Bars(*(getattr(bars, name).copy() for name in bars.__dataclass_fields__))
    for name in ("open", "high", "low", "close"):
        getattr(crashed, name)[split.test] *= 0.01
    assert market_baseline(market, crashed, split) == chosen
    rising = Bars.create(bars.timestamps, *(factor * getattr(bars, n) for n, factor in _trend(bars)))
    assert market_baseline(market, rising, split) == "buy_and_hold"


def _trend(bars: Bars):
    import numpy as np

    slope = np.exp(0.0005 * np.arange(len(bars)))
    return [(name, slope) for name in ("open", "high", "low", "close")]


def test_the_exam_reads_no_bar_after_the_test_window(null_room):
    longer = gaussian_bars(len(null_room.bars) + 100, 3)
    market, dataset, _ = store("FORWARD", longer[: len(null_room.bars)])
    window, split = room(market, dataset, longer[: len(null_room.bars)])
    newer = load_bars(market, longer, "newer").dataset
    split_later = plan_split(len(longer), longer.timestamps, window)
    strategy = get_or_create_strategy(market, "breakout", {})
    facts = {"market": market, "window": window, "strategy": strategy, "score": 1.0}
    first = exam.prepare_exam(split=split, bars=longer[: split.test.stop], **facts)
    later = exam.prepare_exam(split=split_later, bars=longer, **facts)
    assert newer.n_rows == len(longer) and split_later.forward.stop > split_later.forward.start
    assert first.decision.as_dict() == later.decision.as_dict()


def test_the_summary_says_how_many_exams_are_left_and_how_strict_they_are(null_room, grade):
    grade(Verdict.NOT_PROVEN)
    for number in range(3):
        null_room.sit(score=float(number))
    assert queries.exams_summary(null_room.market, null_room.window) == (
        "You have 7 of 10 sealed exams left. Each is graded so strictly that the chance of any luck-only "
        "pass is at most 5%."
    )


def test_the_summary_says_how_many_bars_to_wait_for(null_room, grade):
    grade(Verdict.NOT_PROVEN)
    for number in range(10):
        null_room.sit(score=float(number))
    missing = queries.bars_until_next_window(null_room.market, null_room.window)
    assert 250 <= missing <= 300
    assert f"after about {missing:,} new bars" in queries.exams_summary(null_room.market, null_room.window)
