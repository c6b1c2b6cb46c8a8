"""Market calendars: how many bars a year holds, and which missing bars are closed sessions."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from trainingday.markets.intervals import DAY, HOUR, MICROSECONDS, WEEK, interval_seconds
from trainingday.typing import BoolArray, IntArray

DAY_US = DAY * MICROSECONDS
HOUR_US = HOUR * MICROSECONDS
HOLIDAYS_IN_A_ROW = 4  # weekdays; September 2001 closed the US exchanges for four
SESSION_HOURS = 6.5  # US equities, 09:30-16:00 New York


class Calendar(StrEnum):
    CRYPTO = "crypto"
    US_EQUITIES = "us_equities"
    FOREX = "forex"


def default_bars_per_year(calendar: str, interval: int) -> float:
    """Return the number of bars that a full year of this calendar holds.

    Parameters
    ----------
    calendar : {"crypto", "us_equities", "forex"}
        365 days of 24 hours; 252 sessions of 6.5 hours; 260 weekdays of 24 hours.
    interval : int
        Bar length in seconds.

    Returns
    -------
    float
        Bars per year, the factor that annualises periodic returns.
    """
    seconds = interval_seconds(interval)
    if seconds == WEEK:
        return 52.0
    if Calendar(calendar) is Calendar.CRYPTO:
        return 365 * DAY / seconds
    if Calendar(calendar) is Calendar.FOREX:
        return 260 * DAY / seconds
    return 252.0 if seconds == DAY else 252 * max(1.0, SESSION_HOURS * HOUR / seconds)


def guess_calendar(timestamps: IntArray, interval: int) -> Calendar:
    """Return the calendar that the bars' own opening hours suggest.

    Parameters
    ----------
    timestamps : ndarray of shape (n_bars,), int64
        Bar opens, microseconds UTC, increasing.
    interval : int
        Bar length in seconds.

    Notes
    -----
    Bars on Saturdays: crypto. Weekday bars that leave out some hours of the day: US equities; that use all
    of them: forex. Daily weekday bars are read as sessions of US equities, weekly ones as crypto.
    """
    if interval >= WEEK:
        return Calendar.CRYPTO
    weekdays = (timestamps // DAY_US + 3) % 7  # 0 = Monday; 1970-01-01 was a Thursday
    if np.mean(weekdays == 5) > 0.02 or timestamps[-1] - timestamps[0] < 7 * DAY_US:
        return Calendar.CRYPTO
    if interval == DAY:
        return Calendar.US_EQUITIES
    hours = np.bincount((timestamps % DAY_US) // HOUR_US, minlength=24)
    step_hours = max(1, interval // HOUR)
    quiet = np.count_nonzero(hours[::step_hours] < 0.1 * hours.max()) * step_hours
    return Calendar.US_EQUITIES if quiet >= 4 else Calendar.FOREX


def find_gaps(timestamps: IntArray, interval: int, calendar: str) -> BoolArray:
    """Return where bars are missing before a bar, closed sessions left out.

    Parameters
    ----------
    timestamps : ndarray of shape (n_bars,), int64
        Bar opens, microseconds UTC, strictly increasing.
    interval : int
        Bar length in seconds.
    calendar : {"crypto", "us_equities", "forex"}
        Crypto never closes. Forex closes on Friday 20:00-22:00 UTC and opens on Sunday 21:00-22:00 UTC.
        US equities close every night and on weekends.

    Returns
    -------
    ndarray of shape (n_bars,), bool
        False for the first bar.

    Notes
    -----
    No holiday table is used: up to four missing weekdays in a row of a daily series, and a missing weekday
    of forex around a weekend or year's end, pass as holidays.
    """
    gaps = np.zeros(timestamps.shape[0], dtype=np.bool_)
    step = interval * MICROSECONDS
    # one hour of slack on long bars: local midnights move with daylight saving
    slack = HOUR_US if interval >= 4 * HOUR else 0
    late = np.flatnonzero(np.diff(timestamps) > step + slack) + 1
    if late.size == 0:
        return gaps
    previous, current = timestamps[late - 1], timestamps[late]
    if Calendar(calendar) is Calendar.CRYPTO or interval >= WEEK:
        gaps[late] = True
    elif interval >= DAY:
        gaps[late] = _weekdays_between(previous, current) > HOLIDAYS_IN_A_ROW
    elif Calendar(calendar) is Calendar.US_EQUITIES:
        overnight = current // DAY_US != previous // DAY_US
        gaps[late] = ~overnight | (_weekdays_between(previous, current) > HOLIDAYS_IN_A_ROW)
    else:
        gaps[late] = ~_is_forex_closing(previous, current, step)
    return gaps


def missing_bars(timestamps: IntArray, interval: int, gap_before: BoolArray, calendar: str) -> IntArray:
    """Return how many bars each gap misses, shape (n_gaps,); weekends are not counted for weekday calendars."""
    at = np.flatnonzero(gap_before)
    previous, current = timestamps[at - 1], timestamps[at]
    if Calendar(calendar) is not Calendar.CRYPTO and interval == DAY:
        return np.asarray(_weekdays_between(previous, current), dtype=np.int64)
    step = interval * MICROSECONDS
    return np.asarray((current - previous + step // 2) // step - 1, dtype=np.int64)


def _weekdays_between(previous: IntArray, current: IntArray) -> IntArray:
    """Return the Mondays to Fridays strictly between two bars."""
    first = (previous // DAY_US + 1).astype("datetime64[D]")
    last = (current // DAY_US).astype("datetime64[D]")
    return np.maximum(np.busday_count(first, last), 0).astype(np.int64)


def _is_forex_closing(previous: IntArray, current: IntArray, step: int) -> BoolArray:
    """Return which holes span a weekend or a single holiday's close."""
    closes = previous + step
    from_friday = (closes // DAY_US + 3) % 7 >= 4
    weekend_hours = (current - closes) / HOUR_US
    to_week_start = np.isin((current // DAY_US + 3) % 7, (6, 0))
    weekend = from_friday & to_week_start & (weekend_hours <= 24 * 4)
    # Christmas and New Year close a day from the evening before; nothing else shuts forex for 12 hours
    month_day = current.astype("datetime64[us]").astype("datetime64[D]").astype(object)
    year_end = np.array(
        [(day.month, day.day) in {(12, 24), (12, 25), (12, 26), (1, 1), (1, 2)} for day in month_day]
    )
    return np.asarray(weekend | (year_end & (weekend_hours <= 72)), dtype=np.bool_)
