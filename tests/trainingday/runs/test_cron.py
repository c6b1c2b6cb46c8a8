"""Cron: every row of the shared cases, and daylight saving days."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingday.exceptions import InvalidArgument
from trainingday.runs.cron import check_cron, next_times


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 31 2 *",
        "* * * * * *",
        "0 0 1 1 * 0 2099",
        "R R * * *",
        "0 " * 20_000,
        "60 * * * *",
        "*/0 * * * *",
        "@reboot",
        "",
        "a b c d e",
        "h h * * *",
    ],
)
def test_it_refuses_what_never_fires_or_is_no_cron(expression: str) -> None:
    with pytest.raises(InvalidArgument):
        check_cron(expression, "UTC")


@pytest.mark.parametrize("expression", ["30 2 * * *", "*/15 * * * 1-5", "0 0 29 2 *", "0 9 * jan,jul mon"])
def test_it_accepts_plain_expressions(expression: str) -> None:
    check_cron(expression, "Europe/Kyiv")


def test_it_refuses_an_unknown_time_zone() -> None:
    with pytest.raises(InvalidArgument, match="time_zone"):
        check_cron("0 0 * * *", "Mars/Olympus")


@pytest.mark.parametrize(
    ("around", "zone"),
    [
        (datetime(2026, 3, 29), "Europe/Kyiv"),
        (datetime(2026, 10, 25), "Europe/Kyiv"),
        (datetime(2026, 3, 8), "America/New_York"),
        (datetime(2026, 11, 1), "America/New_York"),
    ],
)
@pytest.mark.parametrize("at", ["30 1", "30 2", "30 3", "0 3", "0 2"])
def test_a_daily_time_fires_exactly_once_on_each_day_of_a_change(
    around: datetime, zone: str, at: str
) -> None:
    start = (around - timedelta(days=2)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    times = next_times(f"{at} * * *", zone, 5, after=start)
    days = [time.astimezone(ZoneInfo(zone)).date() for time in times]
    assert days == [(around + timedelta(days=offset)).date() for offset in range(-2, 3)]


def test_a_skipped_time_fires_later_by_what_was_skipped() -> None:
    zone = ZoneInfo("Europe/Kyiv")
    before = datetime(2026, 3, 29, 0, 0, tzinfo=zone)
    (time,) = next_times("30 3 * * *", "Europe/Kyiv", 1, after=before.astimezone(UTC))
    assert time.astimezone(zone).strftime("%Y-%m-%d %H:%M") == "2026-03-29 04:30"


@given(st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1)))
def test_times_strictly_increase_and_lie_after_the_start(moment: datetime) -> None:
    start = moment.replace(tzinfo=UTC)
    times = next_times("*/20 1-4 * * *", "Europe/Kyiv", 8, after=start)
    assert all(a < b for a, b in zip([start, *times], times, strict=False))
