from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.markets import HOUR_US, gaussian_bars
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.markets.resample import resample


def seven_bars() -> Bars:
    opens = np.array([10.0, 11, 12, 13, 14, 15, 16])
    volume = np.array([1.0, 2, 3, 4, 5, 6, 7])
    up, down = np.array([2, 5, 2, 2, 2, 2, 2]), np.array([1, 1, 1, 4, 1, 1, 1])
    stamps = np.arange(7, dtype=np.int64) * HOUR_US
    return Bars.create(stamps, opens, opens + up, opens - down, opens + 1, volume)


def test_two_hours_hold_first_open_highest_high_lowest_low_last_close_and_all_volume():
    bars = resample(seven_bars(), 3600, "2h")
    assert bars.timestamps.tolist() == [0, 2 * HOUR_US, 4 * HOUR_US]
    assert bars.open.tolist() == [10, 12, 14]
    assert bars.high.tolist() == [16, 15, 17]
    assert bars.low.tolist() == [9, 9, 13]
    assert bars.close.tolist() == [12, 14, 16]
    assert bars.volume.tolist() == [1 + 2, 3 + 4, 5 + 6]


def test_the_unfinished_last_bar_is_kept_only_on_request():
    assert len(resample(seven_bars(), 3600, "2h")) == 3
    assert resample(seven_bars(), 3600, "2h", keep_partial=True).close[-1] == 17


def test_periods_without_bars_are_absent_and_leave_a_gap():
    bars = gaussian_bars(100, seed=1)
    keep = np.r_[0:24, 72:100]
    holed = Bars(*(getattr(bars, name)[keep] for name in bars.__dataclass_fields__))
    holed = replace(holed, gap_before=np.r_[False, np.diff(holed.timestamps) > HOUR_US])
    daily = resample(holed, 3600, "1d")
    assert len(daily) == 2
    assert daily.gap_before.tolist() == [False, True]


def test_weeks_begin_on_monday():
    bars = gaussian_bars(24 * 30, seed=2)
    stamps = resample(bars, 3600, "1w").timestamps
    assert {
        str(np.datetime64(int(stamp), "us").astype("datetime64[D]").astype(object).weekday())
        for stamp in stamps
    } == {"0"}


@pytest.mark.parametrize("target", ["30m", "1m"])
def test_a_finer_or_uneven_target_is_refused(target):
    with pytest.raises(InvalidArgument, match="multiple of 1h"):
        resample(seven_bars(), 3600, target)


@settings(max_examples=30)
@given(n_bars=st.integers(60, 400), seed=st.integers(0, 99))
def test_resampling_in_two_steps_equals_one_step(n_bars, seed):
    bars = gaussian_bars(n_bars, seed)
    once = resample(bars, 3600, "12h", keep_partial=True)
    twice = resample(resample(bars, 3600, "4h", keep_partial=True), 14_400, "12h", keep_partial=True)
    for name in bars.__dataclass_fields__:
        np.testing.assert_allclose(getattr(once, name), getattr(twice, name), rtol=1e-12)


def test_it_equals_pandas():
    pandas = pytest.importorskip("pandas")
    bars = gaussian_bars(500, seed=9)
    index = pandas.to_datetime(bars.timestamps, unit="us")
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    frame = pandas.DataFrame(columns, index=index)
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    expected = frame.resample("4h").agg(how)
    ours = resample(bars, 3600, "4h", keep_partial=True)
    for name in how:
        np.testing.assert_allclose(getattr(ours, name), expected[name].to_numpy(), rtol=1e-12)
