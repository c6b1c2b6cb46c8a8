"""Bar intervals: their lengths in seconds and the names that people give them."""

from __future__ import annotations

from trainingday.exceptions import InvalidArgument

MINUTE = 60
HOUR = 3600
DAY = 86_400
WEEK = 7 * DAY
MICROSECONDS = 1_000_000

INTERVALS: dict[str, int] = {
    "1m": MINUTE,
    "2m": 2 * MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "10m": 10 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "3h": 3 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "8h": 8 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
    "1w": WEEK,
}
INTERVAL_NAMES: dict[int, str] = {seconds: name for name, seconds in INTERVALS.items()}


def interval_seconds(name: str | int) -> int:
    """Return the length in seconds of an interval given by name ("1h") or by seconds."""
    seconds = INTERVALS.get(name.strip().lower()) if isinstance(name, str) else name
    if seconds not in INTERVAL_NAMES:
        raise InvalidArgument(f"interval should be one of {', '.join(INTERVALS)}, is {name!r}")
    return seconds


def interval_name(seconds: int) -> str:
    """Return the short name of a supported interval, such as "1h"."""
    return INTERVAL_NAMES[interval_seconds(seconds)]
