import numpy as np
import pytest

from trainingday.exceptions import InvalidArgument
from trainingday.markets.calendars import default_bars_per_year, find_gaps, guess_calendar, missing_bars
from trainingday.markets.intervals import interval_name, interval_seconds


def us(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]").astype(np.int64)


@pytest.mark.parametrize(
    ("calendar", "interval", "expected"),
    [
        ("crypto", "1d", 365),
        ("crypto", "1h", 8760),
        ("crypto", "1m", 525_600),
        ("us_equities", "1d", 252),
        ("us_equities", "1h", 252 * 6.5),
        ("us_equities", "1m", 252 * 390),
        ("forex", "1h", 260 * 24),
        ("crypto", "1w", 52),
    ],
)
def test_bars_per_year_follow_the_calendar(calendar, interval, expected):
    assert default_bars_per_year(calendar, interval_seconds(interval)) == expected


def test_intervals_have_names_both_ways():
    assert interval_name(interval_seconds("4h")) == "4h"
    with pytest.raises(InvalidArgument, match="interval should be one of"):
        interval_seconds("7m")


@pytest.mark.parametrize(
    ("calendar", "interval", "before", "after", "is_gap"),
    [
        ("crypto", "1h", "2024-01-05T23:00", "2024-01-06T00:00", False),
        ("crypto", "1h", "2024-01-05T23:00", "2024-01-06T01:00", True),
        ("us_equities", "1d", "2024-01-05", "2024-01-08", False),  # weekend
        ("us_equities", "1d", "2001-09-10", "2001-09-17", False),  # closed for four sessions
        ("us_equities", "1d", "2024-01-05", "2024-01-15", True),  # a missing week
        ("us_equities", "1h", "2024-01-05T20:30", "2024-01-08T14:30", False),
        ("us_equities", "1h", "2024-01-05T15:30", "2024-01-05T17:30", True),  # inside a session
        ("forex", "1h", "2017-01-06T21:00", "2017-01-08T22:00", False),
        ("forex", "1h", "2017-01-04T10:00", "2017-01-04T14:00", True),
        ("forex", "1d", "2017-01-06", "2017-01-09", False),
    ],
)
def test_closed_sessions_are_no_gaps(calendar, interval, before, after, is_gap):
    gaps = find_gaps(us(before, after), interval_seconds(interval), calendar)
    assert gaps.tolist() == [False, is_gap]


def test_missing_bars_are_counted_per_gap():
    stamps = us("2024-01-01T00:00", "2024-01-01T03:00", "2024-01-01T04:00", "2024-01-01T06:00")
    gaps = find_gaps(stamps, 3600, "crypto")
    assert missing_bars(stamps, 3600, gaps, "crypto").tolist() == [2, 1]


def test_local_midnights_in_utc_are_no_gaps_when_the_clock_changes():
    stamps = us(
        "2024-03-09T05:00", "2024-03-10T05:00", "2024-03-11T04:00", "2024-11-03T04:00", "2024-11-04T05:00"
    )
    gaps = find_gaps(stamps, 86_400, "crypto")
    assert gaps.tolist() == [False, False, False, True, False]


def test_calendars_are_recognised_by_their_open_hours():
    hours = np.arange(0, 24 * 60) * 3_600_000_000 + us("2024-01-01")[0]
    weekday = (hours // 86_400_000_000 + 3) % 7
    assert guess_calendar(hours, 3600) == "crypto"
    assert guess_calendar(hours[weekday < 5], 3600) == "forex"
    session = (hours // 3_600_000_000 % 24 >= 14) & (hours // 3_600_000_000 % 24 <= 20)
    assert guess_calendar(hours[(weekday < 5) & session], 3600) == "us_equities"
