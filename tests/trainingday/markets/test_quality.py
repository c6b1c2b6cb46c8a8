from dataclasses import replace

import numpy as np

from tests.markets import gaussian_bars
from trainingday.bars import Bars
from trainingday.markets.calendars import find_gaps
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.importers.reader import read_file
from trainingday.markets.quality import assess


def codes(bars: Bars) -> set[str]:
    bars = replace(bars, gap_before=find_gaps(bars.timestamps, 3600, "crypto"))
    return {finding.code for finding in assess(bars, 3600, "crypto").findings()}


def scaled(bars: Bars, factors: np.ndarray) -> Bars:
    prices = (getattr(bars, name) * factors for name in ("open", "high", "low", "close"))
    return Bars.create(bars.timestamps, *prices, bars.volume)


def test_a_clean_market_has_no_findings():
    for seed in range(20):
        assert codes(gaussian_bars(2000, seed)) == set()


def test_planted_faults_are_found():
    bars = gaussian_bars(2000, seed=3)
    keep = np.ones(2000, dtype=bool)
    keep[700:750] = False
    holed = Bars(*(getattr(bars, name)[keep] for name in bars.__dataclass_fields__))
    assert codes(holed) == {"gaps"}
    one_bar = np.where(np.arange(2000) == 900, 50.0, 1.0)
    assert codes(scaled(bars, one_bar)) == {"price_jump"}
    for ratio in (2.0, 3.0, 10.0, 20.0, 1 / 10):
        assert codes(scaled(bars, np.where(np.arange(2000) < 900, 1.0, 1 / ratio))) == {"possible_split"}


def test_a_fall_by_half_over_many_bars_is_no_split():
    slide = np.exp(np.linspace(0, np.log(0.4), 2000))
    assert codes(scaled(gaussian_bars(2000, seed=4), slide)) == set()


def test_a_crash_that_recovers_is_no_split():
    factors = np.ones(2000)
    factors[900] = 0.5
    assert "possible_split" not in codes(scaled(gaussian_bars(2000, seed=5), factors))


def test_gaps_and_coverage_are_counted():
    bars = gaussian_bars(1200, seed=6)
    keep = np.ones(1200, dtype=bool)
    keep[600:660] = False
    keep[10] = False
    holed = Bars(*(getattr(bars, name)[keep] for name in bars.__dataclass_fields__))
    holed = replace(holed, gap_before=find_gaps(holed.timestamps, 3600, "crypto"))
    report = assess(holed, 3600, "crypto")
    assert (report.n_gaps, report.n_missing) == (2, 61)
    assert [gap.n_missing for gap in report.largest_gaps] == [1, 60]
    assert len(report.coverage) == 120
    assert sum(report.coverage) * 10 == np.float64(1200 - 61).round(6)
    assert report.coverage[60:66] == (0.0,) * 6


def test_real_outliers_of_early_ether_are_named(shared_dir):
    bars = read_file((shared_dir / "data" / "ETHUSD_60.csv").read_bytes(), "ETHUSD_60.csv").bars
    bars = replace(bars, gap_before=find_gaps(bars.timestamps, 3600, "crypto"))
    report = assess(bars, 3600, "crypto")
    assert (report.n_gaps, report.n_missing) == (842, 3474)
    days = {str(np.datetime64(bar.at_us, "us"))[:10] for bar in report.odd_bars}
    assert {"2015-08-08", "2017-05-07"} <= days


def test_the_two_splits_of_oracle_in_2000_are_suspected(shared_dir):
    data = (shared_dir / "data" / "WIKI-ORCL-2000-quandl.csv").read_bytes()
    bars = read_file(data, "a.csv", ImportOptions(prices="raw")).bars
    splits = assess(bars, 86_400, "us_equities").splits
    assert [str(np.datetime64(split.at_us, "us"))[:10] for split in splits] == ["2000-01-19", "2000-10-13"]


def test_the_bogus_first_bar_of_binance_is_named(shared_dir):
    data = (shared_dir / "data" / "Binance_BTCUSDT_1h.csv").read_bytes()
    bars = read_file(data, "a.csv", ImportOptions(keep="last")).bars
    assert assess(bars, 3600, "crypto").odd_bars[0].at_us == int(bars.timestamps[0])
