"""How numbers, times and small pictures are shown: units at the edge, "–" where undefined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

UNDEFINED = "–"
MAX_POINTS = 2000
Value = TypeVar("Value")


def is_defined(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 2) -> str:
    """Return a number with a true minus sign, "–" where undefined; what rounds to zero has no sign."""
    if not is_defined(value):
        return UNDEFINED
    return f"{value:z,.{digits}f}".replace("-", "−")


def signed(value: Any, digits: int = 2) -> str:
    """Return a number with its sign; what rounds to zero has none."""
    text = number(value, digits)
    is_positive = is_defined(value) and value > 0 and text.strip("0.,")
    return f"+{text}" if is_positive else text


def percent(value: Any, digits: int = 1) -> str:
    """Return a fraction as a percentage with its sign."""
    return UNDEFINED if not is_defined(value) else f"{number(value * 100, digits)} %"


def points(value: Any, digits: int = 1) -> str:
    """Return a difference of two fractions in signed percentage points."""
    return f"{signed(100 * value, digits)} pp" if is_defined(value) else UNDEFINED


def significant(value: Any, digits: int = 3) -> str:
    """Return a number in `digits` significant figures: learning rates, p-values, parameters."""
    if not is_defined(value):
        return UNDEFINED if value in (None, "") or isinstance(value, float) else str(value)
    return f"{value:z.{digits}g}".replace("e-0", "e-").replace("-", "−")


def after_verdict(reason: str, verdict: str) -> str:
    """Return a reason without the verdict that it opens with, for where the verdict stands before it."""
    opening = f"{verdict.replace('_', ' ')}: "
    if not verdict or not reason.casefold().startswith(opening):
        return reason
    rest = reason[len(opening) :]
    return rest[:1].upper() + rest[1:]


def duration(seconds: Any) -> str:
    """Return a length of time in its two largest units."""
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if not is_defined(seconds):
        return UNDEFINED
    if abs(seconds) < 9.95:
        return f"{seconds:.1f} s"
    total = round(abs(seconds))
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min"), (total % 60, "s")]
    first = next(i for i, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def largest_unit(seconds: float) -> str:
    """Return a length of time in its largest unit, for "how long ago"."""
    text = duration(seconds)
    return " ".join(text.split()[:2])


def moment(value: Any) -> str:
    """Return a time in UTC to the minute."""
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else UNDEFINED


def day_of(microseconds: Any) -> str:
    """Return the UTC day of a bar stamp in microseconds."""
    if not is_defined(microseconds):
        return UNDEFINED
    return f"{datetime(1970, 1, 1) + timedelta(microseconds=int(microseconds)):%Y-%m-%d}"


def thin(values: Sequence[Value], limit: int = MAX_POINTS) -> list[Value]:
    """Return at most `limit` values, evenly drawn, the first and the last among them."""
    if len(values) <= limit:
        return list(values)
    step = (len(values) - 1) / (limit - 1)
    return [values[round(i * step)] for i in range(limit)]


def sparkline(values: Sequence[Any], width: int = 96, height: int = 22) -> str:
    """Return the `points` of an SVG polyline; "" with fewer than two defined values."""
    series = [float(value) for value in thin(list(values), 60) if is_defined(value)]
    if len(series) < 2:
        return ""
    low, high = min(series), max(series)
    span = (high - low) or 1.0
    dx, room = (width - 4) / (len(series) - 1), height - 4
    return " ".join(
        f"{2 + i * dx:.1f},{2 + room * (1 - (value - low) / span):.1f}" for i, value in enumerate(series)
    )
