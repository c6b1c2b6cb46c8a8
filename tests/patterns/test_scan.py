"""A scan from the bars to the rows: what it confirms, what it may not read, and that it can be repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from patterns import book
from patterns.discovery.pattern import Pattern as Definition
from patterns.models import Pattern, PatternFinding, PatternScan, PatternSighting
from patterns.options import ScanChoices
from patterns.scan import run_scan
from patterns.services import request_scan
from tests.markets import bars_from_closes, gaussian_bars
from tests.patterns.helpers import context_of, make_market, planted_bars, scan_market, with_other_prices
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, NotEnoughBars, NotFound, StateConflict
from trainingday.markets.models import Dataset, Market
from trainingday.markets.queries import query_bars, query_split
from trainingday.markets.services import load_bars
from trainingday.markets.splits import plan_split
from trainingday.runs import services
from trainingday.runs.child import work
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunEvent, RunState, Trigger
from trainingday.synthetic import synthetic_bars

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_no_queue")]


class WorkerKilled(BaseException):
    """Stands in for SIGKILL: nothing in the product catches it."""


def stored(market: Market) -> tuple[list[Any], list[Any], list[Any]]:
    """Return all that scans have stored of a market, without keys and clocks."""
    patterns = Pattern.objects.filter(market=market).order_by("key")
    fields = (
        "key",
        "state",
        "state_reason",
        "definition",
        "discovery",
        "confirmation",
        "template",
        "q_value",
    )
    sightings = PatternSighting.objects.filter(pattern__market=market).order_by("pattern__key", "bar_us")
    scans = PatternScan.objects.filter(market=market)
    return (
        [(*row, tracking["since_found"], tracking["since_confirmed"])
         for *row, tracking in patterns.values_list(*fields, "tracking")],
        list(sightings.values_list("pattern__key", "bar_us", "forward_return", "is_success")),
        list(scans.values_list("n_tested", "n_found", "n_confirmed", "n_new", "n_retired", "reason")),
    )  # fmt: skip


@pytest.mark.slow
def test_planted_patterns_are_confirmed_with_their_evidence() -> None:
    market = make_market(planted_bars())
    scan = scan_market(market)
    assert scan.state == RunState.SUCCEEDED, scan.reason
    confirmed = Pattern.objects.filter(market=market, state=Pattern.State.CONFIRMED)
    assert scan.n_new == scan.n_confirmed == confirmed.count() > 3
    assert scan.n_found == Pattern.objects.count() == PatternFinding.objects.filter(scan=scan).count()
    for row in confirmed:
        assert Definition.from_dict(row.definition).id == row.key
        assert row.confirmed_by == scan and row.confirmed_at is not None
        assert row.confirmation["mean_net_return"] > 0 and row.confirmation["q_value"] <= 0.1
        assert row.template["n"] > 0
        assert row.sightings.count() == row.tracking["since_found"]["n_known"] > 0
    assert f"{scan.n_found} found, {scan.n_confirmed} confirmed" in scan.reason
    assert scan.recognition["n_known"] == scan.n_found
    assert scan.recognition["accuracy_low"] < scan.recognition["accuracy"] < scan.recognition["accuracy_high"]


@pytest.mark.slow
def test_the_same_pattern_found_again_is_the_same_row() -> None:
    market = make_market(planted_bars())
    scan_market(market)
    before, (rows, sightings, _) = {row.key: row for row in Pattern.objects.all()}, stored(market)
    again = scan_market(market)
    assert (again.n_new, again.n_found) == (0, len(before))
    assert {row.key: row.pk for row in Pattern.objects.all()} == {key: row.pk for key, row in before.items()}
    assert stored(market)[:2] == (rows, sightings)
    row = Pattern.objects.filter(state=Pattern.State.CONFIRMED).first()
    assert row is not None and row.last_scan == again and row.found_by_id == row.confirmed_by_id != again.pk
    assert row.findings.count() == 2


@pytest.mark.parametrize("kind", ["N1", "N3", "N5"])
def test_noise_confirms_nothing(kind: str) -> None:
    market = make_market(synthetic_bars(kind, 12_000, 1))
    scan = scan_market(market)
    assert (scan.state, scan.n_confirmed, scan.n_new) == (RunState.SUCCEEDED, 0, 0)
    assert scan.n_tested is not None and scan.n_tested > 100
    assert not Pattern.objects.filter(state=Pattern.State.CONFIRMED).exists()


@pytest.mark.slow
def test_test_bars_are_never_read() -> None:
    bars = planted_bars(16_000)
    test = plan_split(len(bars), bars.timestamps).test
    scanned = [make_market(bars, "TRUE"), make_market(with_other_prices(bars, test), "ALTERED")]
    assert Dataset.objects.values("sha256").distinct().count() == 2
    for market in scanned:
        assert scan_market(market).n_found
    assert stored(scanned[0]) == stored(scanned[1])


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["following", "storing", "finishing"])
def test_a_killed_scan_ends_as_an_undisturbed_one(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = planted_bars(16_000)
    undisturbed, market = make_market(bars, "CALM"), make_market(bars, "KILLED")
    scan_market(undisturbed)
    scan = request_scan(market, trigger=Trigger.COMMAND, seed=1)
    name = {"following": "follow_all", "storing": "_store_sightings"}.get(moment)

    def die(*args: object, **options: object) -> None:
        raise WorkerKilled

    with monkeypatch.context() as patched:
        patched.setattr(*((book, name) if name else (RunContext, "finish")), die)
        context = context_of(scan)
        with pytest.raises(WorkerKilled):
            work(context)
    assert Pattern.objects.filter(market=market).exists() == (moment == "finishing")
    services.release("scan", scan.pk, context.fence, "killed")
    work(context_of(scan))
    assert stored(market) == stored(undisturbed)


def test_a_scan_that_lost_its_fence_stores_nothing() -> None:
    market = make_market(planted_bars(12_000))
    scan = request_scan(market, trigger=Trigger.COMMAND, seed=1)
    context = context_of(scan)
    PatternScan.objects.filter(pk=scan.pk).update(fence=context.fence + 1)
    assert work(context) == 3
    assert not Pattern.objects.exists()


def test_a_cancelled_scan_stores_nothing() -> None:
    market = make_market(planted_bars(12_000))
    scan = request_scan(market, trigger=Trigger.COMMAND, seed=1)
    context = context_of(scan)
    services.cancel(scan)
    work(context)
    scan.refresh_from_db()
    assert (scan.state, Pattern.objects.exists()) == (RunState.CANCELLED, False)


def test_progress_rises_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainingday.runs.context.SECONDS_BETWEEN_TICKS", 0)
    scan = scan_market(make_market(synthetic_bars("N1", 5000, 2)))
    shown = [event.payload["progress"] for event in RunEvent.objects.filter(kind="progress")]
    assert shown == sorted(shown) and len(shown) >= 6 and shown[0] >= 0 and shown[-1] <= 1
    assert (scan.progress, scan.stage) == (1.0, "patterns")


def test_as_part_of_a_session_the_row_is_finished_by_the_scan() -> None:
    market = make_market(synthetic_bars("N1", 5000, 2))
    dataset = market.datasets.get()
    outer = request_scan(market, trigger=Trigger.COMMAND, seed=1)
    part = PatternScan.objects.create(
        market=market, dataset=dataset, seed=1, is_part=True, state=RunState.RUNNING, trigger=Trigger.SESSION
    )
    bars = query_bars(dataset)
    text = run_scan(context_of(outer), part, bars, query_split(dataset, bars=bars), span=(0.2, 0.4))
    part.refresh_from_db()
    assert (part.state, part.reason, part.progress) == (RunState.SUCCEEDED, text, 1.0)
    assert part.n_tested and part.recognition["n_known"] == 0


def constant(bars: Bars) -> Bars:
    return bars_from_closes(np.full(len(bars), 100.0))


def full_of_gaps(bars: Bars) -> Bars:
    """Return the bars with a hole of one bar after every thirty."""
    return replace(bars, timestamps=bars.timestamps + 3_600_000_000 * (np.arange(len(bars)) // 30))


def without_volume(bars: Bars) -> Bars:
    return replace(bars, volume=np.zeros(len(bars)))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (constant, "The price is constant"),
        (full_of_gaps, "free of gaps"),
        (without_volume, "Volume regimes were left out: these bars have no volume"),
    ],
)
def test_bars_that_can_hold_no_pattern_say_why(spoil: Callable[[Bars], Bars], reason: str) -> None:
    scan = scan_market(make_market(spoil(gaussian_bars(3000, seed=3))))
    assert (scan.state, scan.n_found) == (RunState.SUCCEEDED, 0)
    assert reason in scan.reason
    assert not Pattern.objects.exists()


def test_too_few_bars_are_refused_before_anything_is_queued() -> None:
    with pytest.raises(NotEnoughBars, match="900 bars"):
        request_scan(make_market(gaussian_bars(900, seed=1)), trigger=Trigger.COMMAND)
    with pytest.raises(NotFound):
        bare = Market.objects.create(symbol="BARE", venue="test", interval=3600)
        request_scan(bare, trigger=Trigger.COMMAND)
    assert not PatternScan.objects.exists()


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1}, {"seed": 2**32}, *({"choices": choices} for choices in [
            ScanChoices(windows=()), ScanChoices(windows=(50, 50)), ScanChoices(windows=(52,)),
            ScanChoices(windows=(130,)), ScanChoices(windows=(5,)), ScanChoices(horizons=()),
            ScanChoices(horizons=(0,)), ScanChoices(horizons=(51,)), ScanChoices(horizons=(5, 5)),
            ScanChoices(horizons=range(1, 10)), ScanChoices(regimes=("moon",)),
            ScanChoices(regimes=("trend", "trend")), ScanChoices(max_conditions=3),
            ScanChoices(max_conditions=-1), ScanChoices(success_threshold=-0.1),
            ScanChoices(success_threshold=float("nan")),
        ]),
    ],
)  # fmt: skip
def test_choices_out_of_bounds_are_refused(options: dict[str, Any], market: Market) -> None:
    with pytest.raises(InvalidArgument):
        request_scan(market, trigger=Trigger.COMMAND, **options)
    assert not PatternScan.objects.exists()


def test_one_scan_at_a_time_for_a_market(market: Market) -> None:
    request_scan(market, trigger=Trigger.COMMAND)
    with pytest.raises(StateConflict):
        request_scan(market, trigger=Trigger.COMMAND)


def test_several_windows_are_searched_at_their_own_costs() -> None:
    market = make_market(synthetic_bars("N1", 8000, 2))
    one = scan_market(market)
    two = scan_market(market, choices=ScanChoices((50, 20), success_threshold=0.02))
    assert two.configuration == {
        "windows": [50, 20],
        "horizons": [1, 2, 5, 10, 20, 50],
        "regimes": ["volatility", "volume", "trend", "place"],
        "max_conditions": 1,
        "success_threshold": 0.02,
        "cost_per_side": 0.0015,
    }
    assert two.n_tested > one.n_tested


def test_trend_and_place_are_asked_for_where_they_are_chosen() -> None:
    market = make_market(planted_bars())
    scan = scan_market(market, choices=ScanChoices(horizons=(5, 10), regimes=("place", "trend")))
    assert scan.configuration["regimes"] == ["trend", "place"]
    rows = Pattern.objects.filter(market=market)
    assert set(rows.values_list("horizon", flat=True)) <= {5, 10}
    assert set(rows.values_list("volatility_regime", "volume_regime")) == {("any", "any")}
    asked = rows.exclude(trend_regime="any").first()
    assert asked is not None
    assert asked.trend_regime in asked.key
    assert f"trend {['low', 'middle', 'high'][int(asked.trend_regime[-1])]}" in asked.conditions
    assert Definition.from_dict(asked.definition).id == asked.key


def test_newer_bars_are_scanned_next(market: Market) -> None:
    load_bars(market, gaussian_bars(2400, seed=7), "more")
    assert scan_market(market).dataset.version == 2
