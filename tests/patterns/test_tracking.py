"""Following patterns on bars that came later, retirement by rule, and sets that can be traded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from patterns import queries
from patterns.discovery.options import MiningOptions
from patterns.discovery.pattern import Pattern as Definition
from patterns.discovery.pattern import RegimeCuts
from patterns.models import Pattern, PatternSet, PatternSighting
from patterns.services import freeze_confirmed_set, load_set, positions_of_set, set_fingerprint
from patterns.tracking import Readable, follow
from tests.lookahead import find_lookahead
from tests.pages import make_dataset, make_pattern
from tests.patterns.helpers import faded_bars, make_market, planted_bars, scan_market, with_other_prices
from trainingday.exceptions import ArtifactRejected, InvalidArgument, NotFound, StateConflict
from trainingday.markets.models import Market, TestWindow
from trainingday.markets.queries import query_bars, query_split, query_test_window
from trainingday.markets.services import load_bars
from trainingday.markets.splits import plan_split

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_no_queue")]
OPTIONS = MiningOptions()
RISING = Definition.from_id("w50-00122-any-any-h5-long", RegimeCuts(None, None))
FALLING = Definition.from_id("w50-22100-any-any-h10-short", RegimeCuts(None, None))
N_FIRST, N_MORE, N_LAST = 12_000, 12_800, 16_000


class Window:
    def __init__(self, first_us: int, last_us: int) -> None:
        self.first_us, self.last_us = first_us, last_us


def readable_of(n_bars: int, *, bars: Any = None) -> tuple[Readable, Any]:
    """Return what may be read of the first `n_bars` where the window is that of the first 12,000."""
    bars = (planted_bars() if bars is None else bars)[:n_bars]
    test = plan_split(N_FIRST, bars.timestamps[:N_FIRST]).test
    window = Window(int(bars.timestamps[test.start]), int(bars.timestamps[test.stop - 1]))
    split = plan_split(len(bars), bars.timestamps, window)
    return Readable.of(bars, split), split


def test_no_sighting_and_no_outcome_lies_in_the_test_window() -> None:
    readable, split = readable_of(N_MORE)
    later = follow(RISING, readable, 0, 0, OPTIONS)
    stamps = planted_bars().timestamps
    bars = np.searchsorted(stamps, [bar_us for bar_us, _, _ in later.sightings])
    exits = bars + 1 + RISING.horizon
    assert ((exits < split.test.start) | (bars >= split.test.stop)).all()
    assert (bars < split.test.start).any() and (bars >= split.test.stop).any()
    assert later.since_found is not None and later.since_found.n_sightings == len(bars)


def test_other_test_bars_change_nothing() -> None:
    true, split = readable_of(N_MORE)
    altered, _ = readable_of(N_MORE, bars=with_other_prices(planted_bars(), split.test))
    assert follow(RISING, true, 0, 0, OPTIONS) == follow(RISING, altered, 0, 0, OPTIONS)


def test_an_outcome_is_open_until_the_horizon_has_passed() -> None:
    """The last sighting of the newest bars is filled in once more bars are there."""
    readable, split = readable_of(N_MORE)
    assert readable.forward is not None
    seen = np.flatnonzero(readable.forward.occurrences(FALLING))
    last = split.test.stop + int(seen[-1])
    early = follow(FALLING, readable_of(last + 2)[0], 0, 0, OPTIONS)
    full = follow(FALLING, readable, 0, 0, OPTIONS)
    (bar_us, net, success) = early.sightings[-1]
    assert (net, success) == (None, None)
    assert early.since_found is not None and early.since_found.n_pending == 1
    known = {row[0]: row for row in full.sightings}
    assert known[bar_us][1] is not None and known[bar_us][2] is not None
    bars = planted_bars()
    decided = int(np.searchsorted(bars.timestamps, bar_us))
    move = bars.open[decided + 11] / bars.open[decided + 1] - 1
    assert known[bar_us][1] == pytest.approx(-move - 2 * OPTIONS.cost_per_side, rel=1e-9)


def test_records_begin_where_mining_and_confirmation_ended() -> None:
    readable, split = readable_of(N_MORE)
    stamps = planted_bars().timestamps
    start, stop = (int(stamps[bar]) for bar in (split.validation.start, split.validation.stop))
    later = follow(RISING, readable, start, stop, OPTIONS)
    assert later.since_found is not None and later.since_confirmed is not None
    assert all(bar_us >= start for bar_us, _, _ in later.sightings)
    n_after = sum(bar_us >= stop for bar_us, _, _ in later.sightings)
    assert (
        later.since_confirmed.n_sightings == n_after < later.since_found.n_sightings == len(later.sightings)
    )
    assert follow(RISING, readable, int(stamps[-1]) + 1, int(stamps[-1]) + 1, OPTIONS).since_found is None


@pytest.mark.slow
def test_a_newer_version_adds_forward_sightings_and_fills_outcomes() -> None:
    bars = planted_bars()
    market = make_market(bars[:N_FIRST])
    first = scan_market(market)
    window = query_test_window(market)
    assert window is not None
    before = {(row.pattern_id, row.bar_us): row for row in PatternSighting.objects.all()}
    definitions = dict(Pattern.objects.filter(state="confirmed").values_list("key", "definition"))
    load_bars(market, bars[:N_MORE], "more")
    second = scan_market(market)
    assert query_test_window(market) == window
    sightings = PatternSighting.objects.filter(pattern__found_by=first)
    assert sightings.filter(bar_us__gt=window.last_us).exists()
    assert not sightings.filter(bar_us__range=(window.first_us, window.last_us)).exists()
    for row in PatternSighting.objects.filter(pattern__in=Pattern.objects.filter(state="confirmed")):
        if (row.pattern_id, row.bar_us) in before:
            assert row.forward_return == before[row.pattern_id, row.bar_us].forward_return
    assert definitions.items() <= dict(Pattern.objects.values_list("key", "definition")).items()
    assert [point["scan"] for point in queries.recognition_over_time(market)] == [first.pk, second.pk]


@pytest.mark.slow
def test_a_pattern_that_stops_earning_is_retired_with_its_reason() -> None:
    bars = faded_bars(36_000, 19_000)
    market = make_market(bars[:24_000])
    scan_market(market)
    assert not Pattern.objects.filter(state="retired").exists()
    load_bars(market, bars, "more")
    scan = scan_market(market)
    retired = Pattern.objects.filter(state="retired")
    assert scan.n_retired == retired.count() > 0
    for row in retired:
        record = row.tracking["since_confirmed"]
        assert record["n_known"] >= 30 and record["mean_net_return"] <= 0
        assert f"{record['n_known']} sightings" in row.state_reason and "after costs" in row.state_reason
        assert row.tracking["decay_since_confirmed"]["mean_net_return"] < 0
        assert row.retired_at is not None and row.retired_until_us == int(query_readable_end(market))
    kept = Pattern.objects.filter(state="confirmed").first()
    again = scan_market(market)
    assert again.n_retired == 0 and retired.count() == scan.n_retired and kept is not None


def query_readable_end(market: Market) -> int:
    dataset = market.datasets.order_by("-version")[0]
    bars = query_bars(dataset)
    return Readable.of(bars, query_split(dataset, bars=bars)).last_us


def stored_pattern(market: Market, definition: Definition, **fields: Any) -> Pattern:
    scan = market_scan(market)
    return make_pattern(
        market, scan, Pattern.objects.count(), definition=definition.as_dict(), horizon=definition.horizon,
        direction=definition.direction, **fields,
    )  # fmt: skip


def market_scan(market: Market) -> Any:
    from patterns.models import PatternScan

    dataset = market.datasets.first() or make_dataset(market)
    return PatternScan.objects.get_or_create(
        market=market, dataset=dataset, defaults={"seed": 1, "state": "succeeded"}
    )[0]


def test_a_frozen_set_has_one_name_and_gives_its_positions(market: Market) -> None:
    for definition in (RISING, FALLING):
        stored_pattern(market, definition)
    definition, sha256 = freeze_confirmed_set(market)
    assert freeze_confirmed_set(market) == (definition, sha256)
    assert PatternSet.objects.get().definition == definition and set_fingerprint(definition) == sha256
    assert queries.query_sets([sha256])[0].market == market
    positions = positions_of_set(definition, planted_bars())
    assert set(np.unique(positions)) <= {-1.0, 0.0, 1.0} and (positions > 0).any() and (positions < 0).any()
    stored_pattern(market, Definition.from_id("w50-00222-any-any-h5-long", RegimeCuts(None, None)))
    assert freeze_confirmed_set(market)[1] != sha256


def test_the_positions_of_a_set_read_no_later_bar(market: Market) -> None:
    stored_pattern(market, RISING)
    definition, _ = freeze_confirmed_set(market)
    bars = planted_bars()[:3000]
    assert (
        find_lookahead(lambda some: positions_of_set(definition, some), bars, 30, np.random.default_rng(1))
        == []
    )


def test_a_set_that_was_changed_is_rejected(market: Market) -> None:
    stored_pattern(market, RISING, judged_from_us=77)
    definition, sha256 = freeze_confirmed_set(market)
    assert load_set(sha256) == definition and definition["seen_until_us"] == 77
    PatternSet.objects.update(definition=definition | {"patterns": []})
    with pytest.raises(ArtifactRejected):
        load_set(sha256)


def test_only_confirmed_patterns_are_frozen(market: Market) -> None:
    stored_pattern(market, RISING, state="candidate")
    stored_pattern(market, FALLING, state="retired")
    with pytest.raises(StateConflict, match="no confirmed pattern"):
        freeze_confirmed_set(market)
    with pytest.raises(NotFound):
        queries.query_sets(["0" * 64])
    with pytest.raises(InvalidArgument, match="format"):
        positions_of_set({"patterns": []}, planted_bars())


def test_what_was_retired_on_bars_that_are_sealed_now_stays_in_the_set(market: Market) -> None:
    """Leaving it out would choose by test."""
    TestWindow.objects.create(market=market, first_us=0, last_us=90)
    now = timezone.now()
    stored_pattern(market, RISING, state="retired", retired_at=now, retired_until_us=150)
    with pytest.raises(StateConflict):
        freeze_confirmed_set(market)
    later = TestWindow.objects.create(market=market, first_us=100, last_us=200)
    TestWindow.objects.filter(pk=later.pk).update(opened_at=now + timedelta(hours=1))
    assert freeze_confirmed_set(market)[0]["patterns"] == [RISING.as_dict()]
    Pattern.objects.update(retired_until_us=None)
    with pytest.raises(StateConflict):
        freeze_confirmed_set(market)


def test_a_backtest_is_by_segment_and_never_of_test() -> None:
    bars = planted_bars()
    market = make_market(bars[:N_FIRST])
    split = plan_split(N_FIRST, bars.timestamps[:N_FIRST])
    window = (int(bars.timestamps[split.test.start]), int(bars.timestamps[split.test.stop - 1]))
    TestWindow.objects.create(market=market, first_us=window[0], last_us=window[1])
    load_bars(market, bars[:N_MORE], "more")
    pattern = stored_pattern(market, RISING)
    tested = queries.backtest(pattern)
    assert tested["dataset"] == 2 and set(tested["segments"]) == {"train", "validation"}
    for segment in tested["segments"].values():
        assert segment["last_us"] < window[0]
        assert segment["metrics"]["n_trades"] > 0
    other = with_other_prices(bars, slice(split.test.start, None))
    altered = make_market(other[:N_FIRST], "ALTERED")
    TestWindow.objects.create(market=altered, first_us=window[0], last_us=window[1])
    load_bars(altered, other[:N_MORE], "more")
    assert queries.backtest(stored_pattern(altered, RISING))["segments"] == tested["segments"]


def test_occurrences_are_drawn_on_the_price() -> None:
    bars = planted_bars()
    market = make_market(bars[:3000])
    pattern = stored_pattern(market, RISING)
    assert queries.occurrences_on_price(pattern, []) == queries.NOTHING_DRAWN
    for bar in (100, 1500, 1600):
        PatternSighting.objects.create(pattern=pattern, bar_us=int(bars.timestamps[bar]), is_success=True)
    drawn = queries.occurrences_on_price(pattern, queries.query_sightings_of(pattern), 300)
    assert len(drawn["close"]) == len(drawn["times_us"]) == 300
    assert [mark["bar_us"] for mark in drawn["marks"]] == [int(bars.timestamps[bar]) for bar in (1500, 1600)]
    assert [mark["close"] for mark in drawn["marks"]] == [bars.close[1500], bars.close[1600]]
    window = bars.close[1451:1501]
    expected = (bars.close[1451:1507] - window.mean()) / window.std()
    assert len(drawn["paths"]) == 2
    np.testing.assert_allclose(drawn["paths"][0]["path"], expected)
    assert drawn["paths"][1]["path"][-1] is not None
