"""Cron expressions of five fields, in a named time zone, safe across daylight saving changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadCronError, CroniterBadDateError, croniter

from trainingday.exceptions import InvalidArgument

MAX_LENGTH = 100


def check_time_zone(name: str) -> ZoneInfo:
    """Return the zone of a name; raise InvalidArgument where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidArgument(f"time_zone should be a name such as Europe/Kyiv, is {name!r}") from error


def check_cron(expression: str, time_zone: str) -> None:
    """Raise InvalidArgument unless the expression has five plain fields and fires some day."""
    if len(expression) > MAX_LENGTH:
        raise InvalidArgument(f"cron should be at most {MAX_LENGTH} characters, has {len(expression)}")
    if any(character in expression for character in "@RHrh#"):
        raise InvalidArgument(
            f"cron should use digits, names of days and months, * , - and / only, is {expression!r}"
        )
    if len(expression.split()) != 5:
        raise InvalidArgument(
            f"cron should have five fields (the shortest interval is 1 minute), is {expression!r}"
        )
    if not croniter.is_valid(expression):
        raise InvalidArgument(f"cron is a bad expression: {expression!r}")
    next_times(expression, time_zone, 1)


def next_times(
    expression: str, time_zone: str, count: int, *, after: datetime | None = None
) -> list[datetime]:
    """Return the next `count` times in UTC.

    Counts in local wall-clock time: a time that a spring change skips fires later by what was skipped,
    and one that an autumn change repeats fires once.

    Raises
    ------
    InvalidArgument
        If the time zone is unknown or the expression never fires.
    """
    zone = check_time_zone(time_zone)
    start = after or datetime.now(UTC)
    times: list[datetime] = []
    # An hour back: the wall clock may have repeated it, and what already fired is dropped below.
    walk = croniter(
        expression,
        start.astimezone(zone).replace(tzinfo=None) - timedelta(hours=1),
        max_years_between_matches=8,
    )
    while len(times) < count:
        try:
            local = walk.get_next(datetime)
        except (CroniterBadDateError, CroniterBadCronError) as error:
            raise InvalidArgument(f"cron expression never fires: {expression!r}") from error
        moment = _to_utc(local, zone)
        if moment > start and (not times or moment > times[-1]):
            times.append(moment)
    return times


def next_in_words(expression: str, time_zone: str, count: int) -> list[str]:
    """Return the next times as words, in the schedule's own zone: "Friday 27 November 2026, 02:30"."""
    zone = check_time_zone(time_zone)
    times = (time.astimezone(zone) for time in next_times(expression, time_zone, count))
    return [f"{time:%A} {time.day} {time:%B %Y, %H:%M}" for time in times]


def _to_utc(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a wall-clock time: the first of two; moved on by the gap where it is skipped."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)
