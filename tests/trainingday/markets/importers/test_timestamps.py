from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainingday.markets.importers import cases
from trainingday.exceptions import ImportRefused, InvalidArgument
from trainingday.markets.importers.faults import RowFaults
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.importers.reader import read_file
from trainingday.markets.importers.timestamps import Stamps, parse_stamps

NOW_US = 1_900_000_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse(texts: list[str], *, stated_zone: str | None = None, **options) -> Stamps:
    column = pa.chunked_array([pa.array(texts, pa.string())])
    faults = RowFaults(len(texts), lambda row, name: texts[row])
    stamps = parse_stamps(column, faults, ImportOptions(**options), stated_zone=stated_zone, now_us=NOW_US)
    faults.refuse_first()
    return stamps


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


AT = datetime(2023, 11, 17, 13, 45, 0, tzinfo=UTC)
WRITTEN = [
    ("2023-11-17T13:45:00Z", {}),
    ("2023-11-17 13:45:00+00:00", {}),
    ("2023-11-17T15:45+0200", {}),
    ("2023-11-17 13:45:00 UTC", {}),
    ("2023-11-17T13:45:00.000000Z", {}),
    ("2023-11-17 13:45", {}),
    ("2023/11/17 13:45:00", {}),
    ("2023.11.17 13:45", {}),
    ("2023-11-17 01:45 PM", {}),
    ("20231117 134500", {}),
    ("20231117 13:45", {}),
    ("20231117T134500Z", {}),
    ("20231117134500", {}),
    ("17.11.2023 13:45:00.000", {}),
    ("11/17/2023 1:45 PM", {}),
    ("17-11-2023 13:45", {}),
    ("17 Nov 2023 13:45", {}),
    ("November 17, 2023 13:45:00", {}),
    ("1700228700", {}),
    ("1700228700.0", {}),
    ("1700228700000", {}),
    ("1.7002287e12", {}),
    ("1700228700000000", {}),
    ("1700228700000000000", {}),
    ("2023-11-17 08:45:00", {"zone": "America/New_York"}),
    ("2023-11-17 22:45:00", {"zone": "Asia/Tokyo"}),
]


@pytest.mark.parametrize(("text", "options"), WRITTEN, ids=[text for text, _ in WRITTEN])
def test_one_moment_is_read_from_every_way_to_write_it(text, options):
    assert parse([text] * 3, **options).micros.tolist() == [us(AT)] * 3


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2019-10-17 12-AM", 0), ("2019-10-17 01-AM", 1), ("2019-10-17 12-PM", 12), ("2019-10-17 11-PM", 23)],
)
def test_twelve_hour_clocks_start_at_twelve(text, hour):
    assert parse([text]).micros[0] == us(datetime(2019, 10, 17, hour, tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    [
        "2019-10-17 13-PM",
        "2019-10-17 00-AM",
        "2023-02-29",
        "31.04.2023",
        "20231301",
        "2023-1-1 25:00",
        "yesterday",
        "1700-01-01",
    ],
)
def test_impossible_times_are_bad(text):
    with pytest.raises(ImportRefused) as refusal:
        parse([text])
    assert refusal.value.code in {"bad_timestamp", "mixed_timestamp_formats"}


FORMATS = [
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%Y%m%d %H%M%S",
    "%d %b %Y %H:%M:%S",
]


@settings(max_examples=60, deadline=None)
@given(
    moments=st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2029, 12, 31)), min_size=1, max_size=30),
    pattern=st.sampled_from(FORMATS),
    times=st.sampled_from([1, 1200]),
)
def test_what_is_written_is_read_back(moments, pattern, times):
    moments = [moment.replace(microsecond=0, tzinfo=UTC) for moment in moments]
    texts = [moment.strftime(pattern) for moment in moments] * times
    stamps = parse(texts, day_first=pattern.startswith("%d"))
    assert stamps.micros.tolist() == [us(moment) for moment in moments] * times


def test_the_quick_path_for_long_columns_finds_the_same_bad_row():
    texts = [
        (datetime(2020, 1, 1) + timedelta(minutes=row)).strftime("%d.%m.%Y %H:%M:%S.000")
        for row in range(50_000)
    ]
    assert np.all(np.diff(parse(texts).micros) == 60_000_000)
    texts[31_337] = "31.02.2020 00:00:00.000"
    with pytest.raises(ImportRefused) as refusal:
        parse(texts)
    assert (refusal.value.code, refusal.value.row) == ("bad_timestamp", 31_338)


def test_a_local_time_that_happens_twice_is_asked_about():
    with pytest.raises(ImportRefused) as refusal:
        parse(["2023-11-05 00:30:00", "2023-11-05 01:30:00"], zone="America/New_York")
    assert (refusal.value.code, refusal.value.row) == ("ambiguous_local_time", 2)


def test_zones_are_stated_assumed_or_given():
    assert parse(["2023-11-17"]).findings[0].code == "assumed_utc"
    assert parse(["2023-11-17"], stated_zone="UTC").zone == "UTC (stated in the file)"
    assert parse(["2023-11-17T00:00:00Z"], zone="Asia/Tokyo").micros[0] == us(
        datetime(2023, 11, 17, tzinfo=UTC)
    )
    with pytest.raises(InvalidArgument, match="IANA"):
        parse(["2023-11-17"], zone="CET+1")


def test_zone_abbreviations_are_asked_about():
    with pytest.raises(ImportRefused) as refusal:
        parse(["2023-11-17 10:00 EST", "2023-11-17 11:00 EST"])
    assert refusal.value.code == "ambiguous_zone"


def test_times_since_midnight_need_a_date():
    with pytest.raises(ImportRefused) as refusal:
        parse(["0", "60000", "86340000"])
    assert refusal.value.code == "date_missing"
    stamps = parse(["0", "60000", "86340000"], on_date=date(2017, 12, 17))
    assert stamps.micros[1] - stamps.micros[0] == 60_000_000
    assert stamps.micros[0] == us(datetime(2017, 12, 17, tzinfo=UTC))


@pytest.mark.parametrize("year", [222_737, -50_000])
def test_a_typed_time_beyond_the_calendar_is_a_bad_row_in_a_zone_too(year):
    stamps = [cases.epoch(hour) * 1_000_000 for hour in range(6)]
    stamps[2] = (year - 1970) * 31_556_952 * 1_000_000
    data = cases.feather(cases.table(timestamp=pa.array(stamps, pa.timestamp("us"))))
    with pytest.raises(ImportRefused) as refusal:
        read_file(data, "a.feather", ImportOptions(zone="America/New_York"))
    assert (refusal.value.code, refusal.value.row) == ("bad_timestamp", 3)


def test_the_hour_that_a_clock_change_repeats_is_refused_or_set_aside():
    stamps = [f"2024-11-{day:02d} 01:30:00" for day in range(2, 30)]
    rows = [[stamp, *cases.rows()[index % 6][1:]] for index, stamp in enumerate(stamps)]
    data, zone = cases.text(rows), "America/New_York"
    with pytest.raises(ImportRefused, match="happens twice or never") as refusal:
        read_file(data, "a.csv", ImportOptions(zone=zone))
    assert (refusal.value.code, refusal.value.row) == ("ambiguous_local_time", 2)
    imported = read_file(data, "a.csv", ImportOptions(zone=zone, quarantine=True))
    assert [row["code"] for row in imported.quarantined] == ["ambiguous_local_time"]
    assert len(imported.bars) == 27
