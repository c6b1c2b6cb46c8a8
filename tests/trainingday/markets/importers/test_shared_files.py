"""Every real file of ../shared/data against the truth that its README states."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from trainingday.exceptions import ImportRefused
from trainingday.markets.calendars import find_gaps, guess_calendar, missing_bars
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.importers.reader import Imported, read_file

NEW_YORK = "America/New_York"


def read(shared_dir, name: str, **options: Any) -> Imported:
    return read_file((shared_dir / "data" / name).read_bytes(), name, ImportOptions(**options))


def us(text: str) -> int:
    return int(np.datetime64(text, "us").astype(np.int64))


def codes(imported: Imported) -> dict[str, int]:
    return {finding.code: finding.count for finding in imported.warnings}


# name, options, rows, first, last, interval, missing bars on the file's own grid, order
FILES = [
    ("20171217_trade.zip", {"on_date": date(2017, 12, 17)}, 1440, "2017-12-17T00:00", "2017-12-17T23:59", 60, 0, "ascending"),
    ("30min-bitstampUSD-2.csv", {}, 1968, "2014-06-23T22:00", "2014-08-03T23:00", 1800, 3, "ascending"),
    ("BTC_USD-Hourly.csv", {}, 33259, "2018-05-15T06:00", "2022-03-01T00:00", 3600, 0, "descending"),
    ("Binance_BTCUSDT_1h.csv", {"keep": "last"}, 34075 - 2649, "2017-08-17T04:00", "2021-03-19T00:00", 3600, 11, "descending"),
    ("Binance_BTCUSDT_d.csv", {"keep": "first"}, 1311, "2017-08-17T00:00", "2021-03-19T00:00", 86400, 0, "descending"),
    ("Coinbase_BTCUSD_1h.csv", {}, 20111, "2017-07-01T11:00", "2019-10-17T09:00", 3600, 0, "unsorted"),
    ("Coinbase_BTCUSD_d.csv", {}, 1770, "2014-12-01T00:00", "2019-10-17T00:00", 86400, 12, "descending"),
    ("DAT_ASCII_EURUSD_M1_201701.csv", {}, 31500, "2017-01-02T02:00", "2017-01-31T23:58", 60, 11579, "ascending"),
    ("DAT_ASCII_EURUSD_M1_201702.csv", {}, 28779, "2017-02-01T00:00", "2017-02-28T23:58", 60, 11540, "ascending"),
    ("DAT_ASCII_EURUSD_M1_201703.csv", {}, 32660, "2017-03-01T00:00", "2017-03-31T16:58", 60, 11559, "ascending"),
    ("DAT_ASCII_EURUSD_M1_201703_1_10.csv", {}, 11092, "2017-03-01T00:00", "2017-03-10T16:59", 60, 2888, "ascending"),
    ("DAT_ASCII_EURUSD_M1_201704.csv", {}, 29161, "2017-04-02T17:00", "2017-04-30T23:58", 60, 11578, "ascending"),
    ("DAT_ASCII_EURUSD_M1_201705.csv", {}, 33054, "2017-05-01T00:00", "2017-05-31T23:58", 60, 11585, "ascending"),
    ("DAT_ASCII_EURUSD_M1_201706.csv", {}, 31194, "2017-06-01T00:00", "2017-06-30T16:58", 60, 11585, "ascending"),
    ("ETHUSD_60.csv", {}, 63568, "2015-08-07T14:00", "2023-03-31T23:00", 3600, 3474, "ascending"),
    ("ETH_BTC-5m.feather", {}, 5760, "2018-01-10T04:55", "2018-01-30T04:50", 300, 0, "ascending"),
    ("FOREX_EURUSD_1H_ASK.csv", {}, 6225, "2017-01-01T22:00", "2017-12-29T21:00", 3600, 2463, "ascending"),
    ("LTC_BTC-5m.feather", {}, 5760, "2018-01-10T04:55", "2018-01-30T04:50", 300, 0, "ascending"),
    ("NXT_BTC-5m.feather", {}, 5760, "2018-01-10T04:55", "2018-01-30T04:50", 300, 0, "ascending"),
    ("STOCKS_GOOGL.csv", {}, 2335, "2009-05-22", "2018-08-29", 86400, 1052, "ascending"),
    ("UNITTEST_BTC-1m.json", {}, 13681, "2017-11-04T23:02", "2017-11-14T22:59", 60, 717, "ascending"),
    ("UNITTEST_BTC-8m.json.gz", {}, 13681, "2017-11-04T23:02", "2017-11-14T22:59", 60, 717, "ascending"),
    ("WIKI-ORCL-2000-quandl.csv", {"prices": "raw"}, 252, "2000-01-03", "2000-12-29", 86400, 110, "descending"),
    ("XRP_ETH-1m.feather", {}, 2469, "2019-10-11T00:00", "2019-10-13T11:19", 60, 1091, "ascending"),
    ("XRP_USDT_USDT-5m-futures.feather", {}, 1999, "2021-11-15T00:00", "2021-11-21T22:30", 300, 0, "ascending"),
    ("XRP_USDT_USDT-8h-mark.feather", {}, 91, "2021-11-18", "2021-12-18", 28800, 0, "ascending"),
    ("bitstamp_(BTC,ETH,LTC)USD_d.csv", {"group": "BTC"}, 1865, "2014-11-28", "2020-01-17", 86400, None, "ascending"),
    ("btc-perp-20211231-20220201_1m.csv", {}, 45031, "2021-12-31T23:01", "2022-02-01T05:31", 60, 0, "ascending"),
    ("lean_coinbase_daily_btcusd_trade.zip", {}, 1318, "2014-12-01", "2018-08-13", 86400, 34, "ascending"),
    ("lean_daily_spy.zip", {"price_scale": 10_000.0}, 5849, "1998-01-02", "2021-03-31", 86400, 2641, "ascending"),
    ("nt-spy-minute-2011-03.csv", {}, 17577, "2011-03-01T09:01", "2011-03-31T23:59", 60, 26522, "ascending"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "n_rows", "first", "last", "interval", "n_missing", "order"),
    FILES,
    ids=[f[0] for f in FILES],
)
def test_it_reads_what_the_readme_states(
    shared_dir, name, options, n_rows, first, last, interval, n_missing, order
):
    imported = read(shared_dir, name, **options)
    stamps = imported.bars.timestamps
    assert len(imported.bars) == n_rows
    assert (int(stamps[0]), int(stamps[-1])) == (us(first), us(last))
    assert imported.detected.interval == interval
    assert imported.detected.order == order
    if n_missing is not None:
        gaps = find_gaps(stamps, interval, "crypto")
        assert int(missing_bars(stamps, interval, gaps, "crypto").sum()) == n_missing


def test_every_data_file_is_covered(shared_dir):
    listed = {file[0] for file in FILES} | {"XRP_USDT_USDT-8h-funding_rate.feather"}
    present = {path.name for path in (shared_dir / "data").iterdir()}
    assert present - {"README.md", "SHA256SUMS", "SOURCES.tsv"} == listed


@pytest.mark.parametrize(
    ("name", "code", "row"),
    [
        ("XRP_USDT_USDT-8h-funding_rate.feather", "price_not_positive", 1),
        ("20171217_trade.zip", "date_missing", None),
        ("WIKI-ORCL-2000-quandl.csv", "ambiguous_adjustment", None),
        ("bitstamp_(BTC,ETH,LTC)USD_d.csv", "ambiguous_columns", None),
        ("lean_daily_spy.zip", "ambiguous_scale", None),
        ("Binance_BTCUSDT_d.csv", "conflicting_duplicates", 1189),
    ],
)
def test_it_asks_where_the_file_does_not_say(shared_dir, name, code, row):
    with pytest.raises(ImportRefused) as refusal:
        read(shared_dir, name)
    assert (refusal.value.status, refusal.value.code, refusal.value.row) == (422, code, row)


def test_binance_hourly_names_its_conflicting_rows_and_mixed_units(shared_dir):
    with pytest.raises(ImportRefused, match=r"2,649 bad rows") as refusal:
        read(shared_dir, "Binance_BTCUSDT_1h.csv")
    assert refusal.value.code == "conflicting_duplicates"
    found = codes(read(shared_dir, "Binance_BTCUSDT_1h.csv", keep="last"))
    assert found["duplicates_resolved"] == 2649
    assert {"mixed_epoch_units", "reordered"} <= set(found)
    assert found["times_disagree"] == 91  # rows of September 2017 whose date is 4 hours behind


@pytest.mark.parametrize("name", ["BTC_USD-Hourly.csv", "Binance_BTCUSDT_d.csv"])
def test_two_columns_of_times_that_agree_are_no_finding(shared_dir, name):
    assert "times_disagree" not in codes(read(shared_dir, name, keep="last"))


def test_swapped_volumes_become_base_volume_throughout(shared_dir):
    imported = read(shared_dir, "BTC_USD-Hourly.csv")
    # the README counts 20,138 exchanged rows; by the ratio of the two columns to the price it is 20,143
    assert codes(imported)["volume_unit_switch"] == pytest.approx(20_138, abs=5)
    # an hour of Bitstamp never traded 20,000 BTC; in dollars nearly every hour did
    assert imported.bars.volume.max() < 20_000
    assert imported.bars.volume[0] == 559.93
    assert int((imported.bars.volume == 0).sum()) == 5


def test_coinbase_volume_is_the_column_that_holds_bitcoin(shared_dir):
    imported = read(shared_dir, "Coinbase_BTCUSD_1h.csv")
    assert imported.detected.columns["volume"] == "volume_btc"
    assert imported.detected.zone == "UTC (stated in the file)"
    assert int((imported.bars.volume == 0).sum()) == 28
    daily = read(shared_dir, "Coinbase_BTCUSD_d.csv")
    assert int((daily.bars.volume == 0).sum()) == 38


def test_quote_volume_of_a_single_column_is_converted_when_the_user_says_so(shared_dir):
    name = "btc-perp-20211231-20220201_1m.csv"
    plain = read(shared_dir, name).bars
    corrected = read(shared_dir, name, volume_unit="quote", stamp="close").bars
    assert corrected.timestamps[0] == us("2021-12-31T23:00")
    typical = (plain.high + plain.low + plain.close) / 3
    np.testing.assert_allclose(corrected.volume * typical, plain.volume, rtol=1e-12)


def test_close_stamped_minutes_move_back_by_one(shared_dir):
    bars = read(shared_dir, "nt-spy-minute-2011-03.csv", stamp="close", zone="UTC").bars
    heavy = bars.volume[bars.timestamps == us("2011-03-01T14:30")]
    assert heavy[0] > 500_000  # the first minute of the session in New York


def test_new_york_stamps_follow_daylight_saving(shared_dir):
    # the week ends on Friday 17:00 New York: 22:00 UTC in winter, 21:00 UTC after 12 March
    bars = read(shared_dir, "DAT_ASCII_EURUSD_M1_201703.csv", zone=NEW_YORK).bars
    weekly = bars.timestamps[np.flatnonzero(np.diff(bars.timestamps) > 40 * 3_600_000_000)]
    hours = [int(stamp // 3_600_000_000 % 24) for stamp in weekly]
    assert hours == [21, 21, 20, 20]


def test_gaps_of_forex_and_shares_leave_closed_sessions_out(shared_dir):
    for name, options, most in (
        ("FOREX_EURUSD_1H_ASK.csv", {}, 0),
        ("STOCKS_GOOGL.csv", {}, 0),
        ("lean_daily_spy.zip", {"price_scale": 1e4}, 0),
    ):
        imported = read(shared_dir, name, **options)
        stamps, interval = imported.bars.timestamps, imported.detected.interval
        calendar = guess_calendar(stamps, interval)
        assert calendar == ("forex" if "FOREX" in name else "us_equities")
        assert int(find_gaps(stamps, interval, calendar).sum()) <= most, name


def test_small_prices_keep_their_decimals(shared_dir):
    bars = read(shared_dir, "NXT_BTC-5m.feather").bars
    assert bars.open[0] == pytest.approx(3.195e-05, rel=1e-12)
    assert read(shared_dir, "UNITTEST_BTC-1m.json").bars.close[0] == 0.00162008


def test_interval_in_a_file_name_is_not_believed(shared_dir):
    packed, plain = (read(shared_dir, f"UNITTEST_BTC-{name}").bars for name in ("8m.json.gz", "1m.json"))
    assert np.array_equal(packed.close, plain.close)
    with pytest.raises(ImportRefused) as refusal:
        read(shared_dir, "UNITTEST_BTC-8m.json.gz", interval=300)
    assert refusal.value.code == "interval_mismatch"


def test_wide_file_gives_one_market_and_skips_its_empty_years(shared_dir):
    imported = read(shared_dir, "bitstamp_(BTC,ETH,LTC)USD_d.csv", group="ETH")
    assert codes(imported)["empty_bars_skipped"] == 1865 - len(imported.bars)
    assert imported.bars.close[-1] == 164.52


def test_adjusted_prices_are_taken_when_chosen(shared_dir):
    raw = read(shared_dir, "WIKI-ORCL-2000-quandl.csv", prices="raw").bars
    adjusted = read(shared_dir, "WIKI-ORCL-2000-quandl.csv", prices="adjusted").bars
    assert raw.close[0] == 118.1
    assert adjusted.close[0] == pytest.approx(26.8879673717533, rel=1e-9)


def test_scaled_prices_come_down_to_dollars(shared_dir):
    bars = read(shared_dir, "lean_daily_spy.zip", price_scale=10_000.0).bars
    assert (bars.open[0], bars.close[0]) == (97.31, 97.36)


def test_values_equal_an_independent_reading(shared_dir):
    pandas = pytest.importorskip("pandas")
    path = shared_dir / "data" / "ETHUSD_60.csv"
    frame = pandas.read_csv(path, header=None, float_precision="round_trip")
    bars = read(shared_dir, path.name).bars
    assert np.array_equal(bars.timestamps, frame[0].to_numpy() * 1_000_000)
    for index, column in enumerate((bars.open, bars.high, bars.low, bars.close, bars.volume), start=1):
        assert np.array_equal(column, frame[index].to_numpy())
