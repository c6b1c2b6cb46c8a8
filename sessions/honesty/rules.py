"""When a count fails: binomial limits that a faultless product crosses in less than 1 % of runs."""

from __future__ import annotations

import math

from trainingday.exceptions import InvalidArgument

FALSE_ALARM = 0.01


def fails_from(n: int, rate: float) -> int:
    """Return the smallest count of n that occurs in less than 1 % of runs whose true rate is `rate`.

    Of 200: 19 at 0.05, 5 at 0.005, 31 at 0.10, 7 at 0.01 (EVIDENCE, "Pass rules").

    Raises
    ------
    InvalidArgument
        If n < 1 or the rate is not within 0..1, both excluded.
    """
    tail = 0.0
    for count in range(n, -1, -1):
        tail += _probability(count, n, rate)
        if tail >= FALSE_ALARM:
            return count + 1
    return 0


def needed_for_power(n: int, floor: float, reference: float) -> int:
    """Return the smallest count of n that still shows enough power.

    Parameters
    ----------
    n : int
        Planted markets.
    floor : float
        The least rate that is accepted, where n is large enough to measure it.
    reference : float
        The rate of a faultless product as measured; with few markets less than `floor` is accepted, so
        that such a product fails in less than 1 % of runs.
    """
    tail = 0.0
    for count in range(n + 1):
        tail += _probability(count, n, reference)
        if tail >= FALSE_ALARM:
            return min(count, math.ceil(floor * n - 1e-9))
    return 0


def _probability(count: int, n: int, rate: float) -> float:
    if n < 1 or not 0.0 < rate < 1.0:
        raise InvalidArgument(f"n should be >= 1 and rate 0..1, are {n} and {rate}")
    ways = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
    return math.exp(ways + count * math.log(rate) + (n - count) * math.log1p(-rate))
