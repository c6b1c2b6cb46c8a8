"""The forward record: what is fixed first, recorded as it arrives, and acted on by two rules alone."""

from __future__ import annotations

import numpy as np
import pytest
from auditlog.models import LogEntry
from django.db import OperationalError
from django_q.models import OrmQ

from strategies import forward, queries, tasks
from strategies.exam import costs_of, crown
from strategies.forward import follow_market, needs_following
from strategies.forward_series import ForwardSeries
from strategies.models import Champion, ForwardRecord, ForwardStretch, Look, Strategy
from strategies.plans import standalone_configuration
from strategies.positions import get_or_create_strategy, positions_of
from strategies.services import retire, roll_back
from strategies.tasks import follow_all, follow_forward
from tests.markets import autoregressive_bars, gaussian_bars
from tests.strategies.helpers import make_user, room, save_model, store
from trainingday.access import audit
from trainingday.backtest.engine import run_backtest
from trainingday.bars import Bars
from trainingday.exceptions import ArtifactRejected, StateConflict
from trainingday.markets.models import Market
from trainingday.markets.services import current_test_window, load_bars
from trainingday.permissions import ADMIN
from trainingday.runs.chores import run_chores

pytestmark = pytest.mark.django_db
FIRST = 3000
FOLLOWS = {"lookback": 2, "threshold": 0.0005}


@pytest.fixture
def planted() -> tuple[Market, Bars]:
    """Return a market whose returns follow themselves, known up to its bar 3,000, and all its bars."""
    bars = autoregressive_bars(FIRST + 4000, 5, phi=0.3)
    market, _, _ = store("PLANTED", bars[:FIRST], fee=0.0001, slippage=0.0)
    return market, bars


def good(market: Market) -> Strategy:
    return get_or_create_strategy(market, "momentum", FOLLOWS)


def bad(market: Market) -> Strategy:
    """Return a strategy that bets against what the planted market does."""
    return get_or_create_strategy(market, "mean_reversion", {"window": 3, "deviation": 0.5})


def reject(market: Market, strategy: Strategy, run: int = 1, **fields: object) -> Look:
    """Store the charged look of a failed exam, as the exam room does."""
    dataset = market.datasets.order_by("-version").first()
    values = {
        "is_charged": True, "level": 0.005, "p_value": 0.4, "verdict": "not_proven",
        "decision": {"sealed": {"comparisons": [{"baseline": "flat"}]}, "public": {}},
    } | fields  # fmt: skip
    return Look.objects.create(
        market=market, test_window=current_test_window(market, dataset), dataset=dataset, strategy=strategy,
        run_kind="tournament", run_pk=run, **values,
    )  # fmt: skip


def arrive(market: Market, bars: Bars, n_bars: int) -> int:
    """Load the first bars as a new version and follow; return how many bars were recorded."""
    load_bars(market, bars[:n_bars], "newer")
    return follow_market(market)


def series_of(record: ForwardRecord) -> ForwardSeries:
    return ForwardSeries.from_bytes(record.stretches.values_list("content", flat=True))


def snapshot() -> list[object]:
    records = ForwardRecord.objects.order_by("pk").values()
    stretches = [{**row, "content": bytes(row["content"])} for row in ForwardStretch.objects.values()]
    return [list(records), stretches, list(Champion.objects.order_by("pk").values())]


def test_the_record_is_the_backtest_of_the_fixed_strategy_however_its_bars_arrived(planted):
    market, bars = planted
    crown(market, good(market), reason="a test")
    assert follow_market(market) == 0
    for end in (FIRST + 1, FIRST + 40, FIRST + 41, FIRST + 900):
        arrive(market, bars, end)
    record = queries.current_champion(market).record
    held = bars[FIRST - 1 : FIRST + 900]
    targets = positions_of(good(market), bars[: FIRST + 900])[FIRST - 1 :]
    whole = run_backtest(held, targets, costs_of(market), bars_per_year=market.bars_per_year)
    hold = run_backtest(held, np.ones(901), costs_of(market), bars_per_year=market.bars_per_year)
    found = series_of(record)
    np.testing.assert_array_equal(found.timestamps, held.timestamps[1:])
    np.testing.assert_array_equal(found.positions, targets[1:])
    np.testing.assert_allclose(found.returns, whole.returns, rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.market_returns, hold.returns, rtol=0, atol=1e-15)
    assert record.opening_position == targets[0]
    assert record.n_bars == 900 and record.stretches.count() == 4
    assert record.standing["total_return"] == pytest.approx(whole.equity[-1] - 1.0)


def test_each_stretch_names_the_dataset_it_came_from(planted):
    market, bars = planted
    crown(market, good(market), reason="a test")
    arrive(market, bars, FIRST + 10)
    arrive(market, bars, FIRST + 30)
    newest = market.datasets.order_by("version").values_list("sha256", flat=True)
    assert list(ForwardStretch.objects.values_list("dataset_hash", "n_bars")) == [
        (newest[1], 10),
        (newest[2], 20),
    ]


def test_bars_known_at_the_promotion_are_never_recorded(planted):
    market, bars = planted
    load_bars(market, bars[: FIRST + 500], "known before, used by no run")
    load_bars(market, bars[: FIRST + 100], "an older file again")
    crown(market, good(market), reason="a test")
    load_bars(market, bars[: FIRST + 700], "later")
    assert follow_market(market) == 200
    record = ForwardRecord.objects.get()
    assert record.after_us == bars.timestamps[FIRST + 499]
    assert record.stretches.get().first_us == bars.timestamps[FIRST + 500]


def test_running_it_twice_changes_nothing(planted):
    market, bars = planted
    crown(market, good(market), reason="a test")
    reject(market, bad(market))
    assert arrive(market, bars, FIRST + 300) == 600
    before = snapshot()
    assert not needs_following(market)
    assert follow_market(market) == 0
    assert follow_forward(market.pk) == 0
    assert snapshot() == before


def test_a_revised_import_rewrites_nothing_that_is_recorded(planted):
    market, bars = planted
    crown(market, good(market), reason="a test")
    arrive(market, bars, FIRST + 300)
    record = ForwardRecord.objects.get()
    before = series_of(record)
    revised = bars[: FIRST + 400]
    factor = np.where(np.arange(FIRST + 400) % 2, 1.01, 0.99)
    prices = [getattr(revised, name) * factor for name in ("open", "high", "low", "close")]
    prices[1], prices[2] = np.maximum.reduce(prices), np.minimum.reduce(prices)
    load_bars(market, Bars.create(revised.timestamps, *prices), "the venue corrected itself")
    assert follow_market(market) == 100
    after = series_of(record)
    for name in ("timestamps", "positions", "returns", "market_returns"):
        np.testing.assert_array_equal(getattr(after, name)[:300], getattr(before, name))
    load_bars(market, revised[:FIRST], "shorter")
    assert follow_market(market) == 0


def test_what_is_recorded_cannot_be_changed_or_deleted(planted):
    market, bars = planted
    crown(market, good(market), reason="a test")
    arrive(market, bars, FIRST + 10)
    stretch = ForwardStretch.objects.get()
    with pytest.raises(StateConflict, match="never changes"):
        stretch.save()
    with pytest.raises(StateConflict, match="kept for good"):
        stretch.delete()


def test_a_champion_turned_bad_rings_the_alarm_and_a_good_one_does_not(planted):
    market, bars = planted
    for strategy, rings in ((good(market), False), (bad(market), True)):
        crown(market, strategy, reason="a test")
        start = market.datasets.order_by("-version").first().n_rows
        arrive(market, bars, start + 200)
        record = queries.current_champion(market).record
        assert not record.has_alarm and "fewer than 250" in record.standing["reason"]
        arrive(market, bars, start + 1900)
        record.refresh_from_db()
        assert record.has_alarm is rings, record.standing
        lead = record.standing["leads"][0]
        assert lead["rival"] == "doing nothing" and lead["n_bars"] == 1900
        assert (lead["high"] < 0) is rings


def test_a_better_challenger_is_promoted_on_forward_evidence(planted):
    market, bars = planted
    crown(market, bad(market), reason="a test")
    look = reject(market, good(market))
    old = queries.current_champion(market)
    arrive(market, bars, FIRST + 200)
    assert queries.current_champion(market) == old
    load_bars(market, bars[: FIRST + 1500], "newer")
    follow_market(market)
    new = queries.current_champion(market)
    assert new.strategy == good(market) and new.look is None and new.decided_by is None
    assert new.forward == look.record
    assert new.reason.startswith("Promoted on forward evidence: on bars that arrived after its exam")
    assert "the champion" in new.reason and "doing nothing" in new.reason and "n = 1,500 bars" in new.reason
    old.refresh_from_db()
    assert old.until is not None
    entry = LogEntry.objects.get_for_object(new).get()
    assert (audit.verb_of(entry), audit.reason_of(entry)) == ("promote on later bars", new.reason)
    # The new reign is followed at once, from the newest bar known now, and no exam was refilled or used.
    assert new.record.after_us == bars.timestamps[FIRST + 1499] and new.record.n_bars == 0
    assert queries.exams_left(market, look.test_window) == 9


def test_a_challenger_on_noise_is_not_promoted():
    bars = gaussian_bars(FIRST + 2000, 3)
    market, _, _ = store("NOISE", bars[:FIRST], fee=0.0, slippage=0.0)
    for number in range(5):
        reject(market, get_or_create_strategy(market, "momentum", {"lookback": 5 + number}), run=number)
    arrive(market, bars, FIRST + 2000)
    assert not Champion.objects.exists()
    assert ForwardRecord.objects.filter(n_bars=2000).count() == 5
    reasons = {record.standing["reason"] for record in ForwardRecord.objects.all()}
    assert all("later bars it" in reason for reason in reasons)


def test_a_long_position_in_a_rising_market_does_not_beat_the_market():
    noise = gaussian_bars(FIRST + 3000, 3)
    rise = np.exp(0.0006 * np.arange(len(noise)))
    prices = (getattr(noise, name) * rise for name in ("open", "high", "low", "close"))
    bars = Bars.create(noise.timestamps, *prices)
    market, _, _ = store("RISING", bars[:FIRST], fee=0.0, slippage=0.0)
    always_long = get_or_create_strategy(market, "ml_model", {}, save_model(bias=(0.0, 0.0, 1.0)))
    never = get_or_create_strategy(market, "ml_model", {}, save_model())
    crown(market, never, reason="a cautious champion")
    sealed = {"sealed": {"comparisons": [{"baseline": "buy_and_hold"}]}, "public": {}}
    reject(market, always_long, decision=sealed)
    arrive(market, bars, FIRST + 3000)
    leads = ForwardRecord.objects.get(look__isnull=False).standing["leads"]
    assert [(lead["rival"], lead["verdict"]) for lead in leads] == [
        ("the champion", "better"),
        ("buy and hold", "undecided"),
    ]
    assert queries.current_champion(market).strategy == never


def test_only_challengers_that_used_an_exam_are_followed(planted):
    market, _ = planted
    reject(market, good(market), run=1, is_charged=False, verdict="cannot_tell")
    reject(market, bad(market), run=2, is_charged=False, verdict="no_exam_left")
    assert not needs_following(market)
    first = reject(market, good(market), run=3)
    reject(market, good(market), run=4)
    follow_market(market)
    assert [record.look for record in ForwardRecord.objects.all()] == [first]


def test_a_challenger_must_beat_a_champion_that_cannot_be_followed(planted, monkeypatch):
    market, bars = planted
    champion = bad(market)
    crown(market, champion, reason="a test")
    reject(market, good(market))
    real = positions_of

    def broken(strategy, bars, walks):
        if strategy.pk == champion.pk:
            raise ArtifactRejected("signature does not match")
        return real(strategy, bars, walks)

    monkeypatch.setattr(forward, "positions_of", broken)
    arrive(market, bars, FIRST + 1500)
    assert queries.current_champion(market).strategy == champion
    record = queries.current_champion(market).record
    assert (record.problem, record.n_bars) == ("signature does not match", 0)
    assert not needs_following(market)  # it is tried again when bars arrive, not each minute
    monkeypatch.setattr(forward, "positions_of", real)
    arrive(market, bars, FIRST + 1510)
    record.refresh_from_db()
    assert (record.problem, record.n_bars) == ("", 1510)


class WorkerKilled(BaseException):
    """Stands in for SIGKILL: nothing in the product catches it."""


@pytest.mark.parametrize("point", ["ForwardStretch.objects.create", "crown"])
def test_a_killed_pass_leaves_nothing_half_written_and_the_next_one_ends_as_it_would_have(
    planted, monkeypatch, point
):
    market, bars = planted
    crown(market, bad(market), reason="a test")
    reject(market, good(market))
    follow_market(market)
    load_bars(market, bars[: FIRST + 1500], "newer")
    before = snapshot()

    def die(*args, **kwargs):
        raise WorkerKilled

    with monkeypatch.context() as patch:
        patch.setattr(f"strategies.forward.{point}", die)
        with pytest.raises(WorkerKilled):
            follow_market(market)
    assert snapshot() == before
    assert follow_market(market) == 3000
    assert queries.current_champion(market).strategy == good(market)


def test_a_pass_that_another_worker_overtook_writes_nothing(planted, monkeypatch):
    market, bars = planted
    crown(market, good(market), reason="a test")
    follow_market(market)
    load_bars(market, bars[: FIRST + 50], "newer")
    real, calls = forward._is_unchanged, []

    def overtaken(*args):
        if not calls:
            calls.append(1)
            with monkeypatch.context() as patch:
                patch.setattr(forward, "_is_unchanged", real)
                assert forward._pass(market) == 50
        return real(*args)

    monkeypatch.setattr(forward, "_is_unchanged", overtaken)
    assert forward._pass(market) == 0
    assert ForwardStretch.objects.get().n_bars == 50


def test_a_record_promotes_once_so_that_a_roll_back_stays(planted):
    market, bars = planted
    crown(market, bad(market), reason="a test")
    reject(market, good(market))
    arrive(market, bars, FIRST + 1500)
    admin = make_user(ADMIN)
    roll_back(queries.current_champion(market), reason="I know better", user=admin)
    arrive(market, bars, FIRST + 3000)
    assert queries.current_champion(market).strategy == bad(market)
    retire(queries.current_champion(market), reason="nobody at all", user=admin)
    arrive(market, bars, FIRST + 3100)
    assert queries.current_champion(market) is None


def test_no_tournament_is_founded_by_what_the_present_test_bars_promoted(planted):
    market, bars = planted
    crown(market, get_or_create_strategy(market, "breakout", {}), reason="a test")
    crown(market, bad(market), reason="a test")
    reject(market, good(market))
    arrive(market, bars, FIRST + 1500)
    promoted = queries.current_champion(market)

    def founders():
        return standalone_configuration(market, 40, int(bars.timestamps[0]))["founders"]

    assert promoted.strategy_id in founders()  # it has to be beaten on those bars anyway
    roll_back(promoted, reason="I know better", user=make_user(ADMIN))
    assert promoted.strategy_id in founders()
    window = current_test_window(market, market.datasets.order_by("-version").first())
    assert window.first_us == bars.timestamps[FIRST]
    assert promoted.strategy_id not in founders()
    assert founders() == [bad(market).pk, get_or_create_strategy(market, "breakout", {}).pk]


def test_new_bars_and_new_reigns_ask_the_default_cluster_to_follow(
    planted, django_capture_on_commit_callbacks
):
    market, bars = planted
    with django_capture_on_commit_callbacks(execute=True):
        load_bars(market, bars[: FIRST + 1], "nobody is followed yet")
    assert not OrmQ.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        crown(market, good(market), reason="a test")
    assert OrmQ.objects.count() == 1
    follow_market(market)
    with django_capture_on_commit_callbacks(execute=True):
        load_bars(market, bars[: FIRST + 2], "newer")
    assert OrmQ.objects.count() == 2
    assert {queued.task["func"] for queued in OrmQ.objects.all()} == {"strategies.tasks.follow_forward"}


def test_a_lost_message_is_made_up_for_by_the_minutely_chore(
    planted, django_capture_on_commit_callbacks, monkeypatch
):
    market, _ = planted

    def away(*arguments, **options):
        raise OperationalError("the queue is away")

    with monkeypatch.context() as patch, django_capture_on_commit_callbacks(execute=True):
        patch.setattr(tasks, "async_task", away)
        crown(market, good(market), reason="a test")
    assert not OrmQ.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        run_chores()
    assert [queued.task["args"] for queued in OrmQ.objects.all()] == [(market.pk,)]
    follow_market(market)
    OrmQ.objects.all().delete()
    with django_capture_on_commit_callbacks(execute=True):
        follow_all()
    assert not OrmQ.objects.exists()


def test_the_room_of_an_exam_knows_nothing_of_the_record(planted):
    market, bars = planted
    dataset = market.datasets.get()
    window, split = room(market, dataset, bars[:FIRST])
    crown(market, good(market), reason="a test")
    arrive(market, bars, FIRST + 100)
    record = ForwardRecord.objects.get()
    assert record.after_us >= window.last_us
    assert split.test.stop == FIRST
