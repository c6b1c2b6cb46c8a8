"""Sightings, records, decay, retirement and recognition."""

from dataclasses import replace

import numpy as np
import pytest

from patterns.discovery.features import Features
from patterns.discovery.options import MiningOptions
from patterns.discovery.outcomes import BaseRate
from patterns.discovery.pattern import LONG, SHORT, Pattern, RegimeCuts, Shape
from patterns.discovery.sightings import base_rate, find_sightings
from patterns.discovery.tracking import Record, decay, recognition, record_of, record_over, retirement_reason
from tests.markets import gaussian_bars

RISING = Pattern(Shape(), 17, None, None, 10, LONG, RegimeCuts(None, None))


def test_a_sightings_return_is_its_price_change_less_two_fills() -> None:
    bars = gaussian_bars(5000, 1)
    seen = find_sightings(bars, RISING, options=MiningOptions(cost_per_side=0.001))
    bar = int(seen.decision_bar[3])
    gross = bars.open[bar + 11] / bars.open[bar + 1] - 1
    assert seen.net_return[3] == pytest.approx(gross - 0.002, abs=1e-12)
    assert seen.is_success[3] == (gross - 0.002 > 0)
    short = find_sightings(bars, replace(RISING, direction=SHORT), options=MiningOptions(cost_per_side=0.001))
    assert short.net_return[3] == pytest.approx(-gross - 0.002, abs=1e-12)
    assert (np.diff(seen.decision_bar) >= 10).all()


def test_the_threshold_decides_what_is_a_success() -> None:
    bars = gaussian_bars(20_000, 1)
    seen = find_sightings(bars, RISING, options=MiningOptions(success_threshold=0.02))
    np.testing.assert_array_equal(seen.is_success[seen.is_known], seen.net_return[seen.is_known] > 0.02)
    assert 0 < seen.is_success.sum() < len(seen) / 4


def test_an_outcome_is_pending_until_its_exit_bar_is_in_the_segment() -> None:
    bars = gaussian_bars(5000, 1)
    seen = find_sightings(bars, RISING)
    exit_bar = int(seen.exit_bar[5])
    before = find_sightings(bars, RISING, slice(0, exit_bar))
    after = find_sightings(bars, RISING, slice(0, exit_bar + 1))
    assert before.is_pending[5]
    assert not before.is_known[5]
    assert after.is_known[5]
    assert after.net_return[5] == seen.net_return[5]


def test_sightings_recorded_in_parts_equal_those_recorded_at_once() -> None:
    bars = gaussian_bars(5000, 1)
    whole = find_sightings(bars, RISING).decision_bar
    for cut in (1000, 2345, 4000):
        first = find_sightings(bars, RISING, slice(0, cut)).decision_bar
        second = find_sightings(bars, RISING, slice(cut, None), last_kept=int(first[-1])).decision_bar
        assert [*first, *second] == whole.tolist()


def test_an_outcome_across_a_gap_is_neither_known_nor_pending() -> None:
    bars = gaussian_bars(5000, 1)
    bar = int(find_sightings(bars, RISING).decision_bar[2])
    bars.gap_before[bar + 4] = True
    seen = find_sightings(bars, RISING)
    index = seen.decision_bar.tolist().index(bar)
    assert not seen.is_known[index]
    assert not seen.is_pending[index]
    assert not seen.is_success[index]


def test_a_record_holds_the_rate_its_wilson_interval_and_the_base_rate() -> None:
    bars = gaussian_bars(20_000, 3)
    segment = slice(0, 20_000)
    seen = find_sightings(bars, RISING, segment)
    record = record_over(bars, RISING, [segment])
    base = base_rate(bars, segment, 10, LONG)
    assert record.n_known == seen.is_known.sum()
    assert record.success_rate == pytest.approx(seen.is_success[seen.is_known].mean())
    assert record.base_rate == base.success_rate
    assert record.lift == pytest.approx(record.success_rate / base.success_rate)
    assert record.success_low < record.success_rate < record.success_high
    assert record.mean_net_return == pytest.approx(seen.net_return[seen.is_known].mean())
    every = bars.open[11:] / bars.open[1:-10] - 1 - 0.003
    assert base.success_rate == pytest.approx((every[50:] > 0).mean())
    assert base.mean_net_return == pytest.approx(every[50:].mean(), abs=1e-12)


def test_sixty_of_a_hundred_has_wilsons_published_interval() -> None:
    seen = find_sightings(gaussian_bars(60_000, 3), RISING)
    part = type(seen)(**{name: values[:100] for name, values in vars(seen).items()})
    part = replace(part, is_success=np.arange(100) < 60, is_known=np.ones(100, dtype=bool))
    record = record_of([part], [BaseRate(1000, 0.5, 0.0, 0.0)])
    assert (record.success_low, record.success_high) == (
        pytest.approx(0.50200, abs=5e-6), pytest.approx(0.69060, abs=5e-6)
    )  # fmt: skip
    assert record.lift == pytest.approx(1.2)
    assert record.is_strong


def test_a_pattern_never_seen_has_no_rates() -> None:
    record = record_over(gaussian_bars(60, 1), RISING, [slice(0, 60)])
    assert record.n_known == 0
    assert record.success_rate is None
    assert record.lift is None
    assert record.mean_net_return is None
    assert not record.is_strong


def record(n_known: int, n_successes: int, mean: float | None) -> Record:
    rate = n_successes / n_known if n_known else None
    return Record(n_known, 0, n_known, n_successes, rate, None, None, 0.4, None, mean, None, None, False)


def test_decay_is_after_minus_before() -> None:
    change = decay(record(100, 70, 0.01), record(50, 25, 0.002))
    assert change.success_rate == pytest.approx(-0.2)
    assert change.mean_net_return == pytest.approx(-0.008)
    assert decay(record(100, 70, 0.01), record(0, 0, None)).success_rate is None


def test_a_pattern_retires_after_30_sightings_that_earned_nothing() -> None:
    assert retirement_reason(record(29, 5, -0.01)) is None
    assert retirement_reason(record(30, 20, 0.001)) is None
    assert "30 sightings" in (retirement_reason(record(30, 20, -0.001)) or "")


def test_recognition_is_the_share_above_60_percent_of_at_least_100() -> None:
    records = [record(50, 31, 0.0), record(50, 30, 0.0), record(0, 0, None), record(100, 80, 0.0)]
    score = recognition(records)
    assert (score.n_known, score.n_recognised, score.score) == (4, 2, 0.02)
    assert score.accuracy == pytest.approx(141 / 200)
    assert score.base_rate == pytest.approx(0.4)
    many = recognition([record(50, 31, 0.0)] * 200)
    assert many.score == 1.0
    assert recognition([]).accuracy is None


def test_features_may_be_shared() -> None:
    bars = gaussian_bars(5000, 1)
    features = Features(bars)
    assert record_over(bars, RISING, [slice(0, 5000)], features=features) == record_over(
        bars, RISING, [slice(0, 5000)]
    )
