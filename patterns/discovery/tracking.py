"""Tracking: how a pattern has done, against the base rate, since it was found, and when it retires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from patterns.discovery.features import Features
from patterns.discovery.options import MiningOptions
from patterns.discovery.outcomes import BaseRate
from patterns.discovery.pattern import Pattern
from patterns.discovery.sightings import Sightings, base_rate, find_sightings
from trainingday.bars import Bars
from trainingday.stats.proportions import wilson_interval
from trainingday.typing import JSONDict

TWO_SIDED_95 = 0.95
# The two-sided 90 % interval's lower end is the one-sided 95 % lower bound.
ONE_SIDED_95 = 0.90
RECOGNISED = 0.60
MIN_KNOWN = 100
MIN_TO_RETIRE = 30


@dataclass(frozen=True)
class Record:
    """What became of a pattern's sightings on some bars.

    Attributes
    ----------
    n_sightings, n_pending, n_known, n_successes : counts; known outcomes only enter what follows.
    success_rate, success_low, success_high : fraction with its 95 % Wilson interval.
    base_rate : success rate of the same trade from every bar, fraction.
    lift : success_rate / base_rate.
    mean_net_return : mean return of the position after costs, fraction per sighting.
    mean_scaled_outcome : mean outcome of the price in volatility x sqrt(horizon).
    base_net_return : mean return after costs of the same trade from every bar.
    is_strong : the success rate's one-sided 95 % lower bound is above the base rate.

    Everything undefined is None.
    """

    n_sightings: int
    n_pending: int
    n_known: int
    n_successes: int
    success_rate: float | None
    success_low: float | None
    success_high: float | None
    base_rate: float | None
    lift: float | None
    mean_net_return: float | None
    mean_scaled_outcome: float | None
    base_net_return: float | None
    is_strong: bool

    def as_dict(self) -> JSONDict:
        return asdict(self)


@dataclass(frozen=True)
class Decay:
    """How a pattern's record after discovery differs from the one it was found with.

    Attributes
    ----------
    success_rate : rate after minus rate before, fraction; None where either is undefined.
    mean_net_return : mean after costs, after minus before, fraction; None likewise.
    """

    success_rate: float | None
    mean_net_return: float | None


@dataclass(frozen=True)
class Recognition:
    """How many of the known patterns hold up out of sample.

    Attributes
    ----------
    n_known, n_recognised : patterns, and those with an out-of-sample success rate above 60 %.
    score : n_recognised / max(100, n_known).
    accuracy, accuracy_low, accuracy_high : successes over known sightings, all patterns pooled, with
        its 95 % Wilson interval; None without any.
    base_rate : what the accuracy would be without patterns, weighted by sightings; None likewise.
    """

    n_known: int
    n_recognised: int
    score: float
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    base_rate: float | None


def record_over(
    bars: Bars,
    pattern: Pattern,
    segments: Sequence[slice],
    options: MiningOptions | None = None,
    *,
    features: Features | None = None,
) -> Record:
    """Return the pattern's record over some segments of `bars`, thinned across them.

    Raises
    ------
    InvalidArgument
        If a segment holds no bar, or `features` are of other bars.
    """
    options = options or MiningOptions()
    features = features or Features(bars)
    parts: list[Sightings] = []
    last_kept = None
    for segment in segments:
        part = find_sightings(bars, pattern, segment, options, last_kept=last_kept, features=features)
        last_kept = int(part.decision_bar[-1]) if len(part) else last_kept
        parts.append(part)
    bases = [
        base_rate(bars, segment, pattern.horizon, pattern.direction, options, features=features)
        for segment in segments
    ]
    return record_of(parts, bases)


def record_of(parts: Sequence[Sightings], bases: Sequence[BaseRate]) -> Record:
    """Return the record of sightings beside the base rates of the same segments."""
    known = [part.is_known for part in parts]
    n_known = sum(int(mask.sum()) for mask in known)
    n_successes = sum(int(part.is_success.sum()) for part in parts)
    base = _pooled([(each.success_rate, each.n) for each in bases])
    rate = n_successes / n_known if n_known else None
    interval = wilson_interval(n_successes, n_known, TWO_SIDED_95)
    bound = wilson_interval(n_successes, n_known, ONE_SIDED_95)
    net = np.concatenate([part.net_return[mask] for part, mask in zip(parts, known, strict=True)])
    scaled = np.concatenate([part.scaled_outcome[mask] for part, mask in zip(parts, known, strict=True)])
    return Record(
        n_sightings=sum(len(part) for part in parts),
        n_pending=sum(int(part.is_pending.sum()) for part in parts),
        n_known=n_known,
        n_successes=n_successes,
        success_rate=rate,
        success_low=interval[0] if interval else None,
        success_high=interval[1] if interval else None,
        base_rate=base,
        lift=rate / base if rate is not None and base else None,
        mean_net_return=float(net.mean()) if n_known else None,
        mean_scaled_outcome=float(scaled.mean()) if n_known else None,
        base_net_return=_pooled([(each.mean_net_return, each.n) for each in bases]),
        is_strong=bound is not None and base is not None and bound[0] > base,
    )


def decay(before: Record, after: Record) -> Decay:
    """Return the change from the record at discovery to the record since."""
    return Decay(
        _difference(after.success_rate, before.success_rate),
        _difference(after.mean_net_return, before.mean_net_return),
    )


def retirement_reason(since_discovery: Record) -> str | None:
    """Return why a pattern should retire, one sentence, or None while it should stay.

    The rule: at least 30 known sightings since it was found, and they earned nothing after costs.
    """
    mean = since_discovery.mean_net_return
    if since_discovery.n_known < MIN_TO_RETIRE or mean is None or mean > 0:
        return None
    return (
        f"It earned {mean:.3%} per sighting after costs over {since_discovery.n_known} sightings "
        "since it was found."
    )


def recognition(out_of_sample: Sequence[Record]) -> Recognition:
    """Return the recognition rate of all known patterns from their out-of-sample records."""
    n_recognised = sum(
        1 for record in out_of_sample if record.success_rate is not None and record.success_rate > RECOGNISED
    )
    n_sightings = sum(record.n_known for record in out_of_sample)
    n_successes = sum(record.n_successes for record in out_of_sample)
    interval = wilson_interval(n_successes, n_sightings, TWO_SIDED_95)
    return Recognition(
        len(out_of_sample),
        n_recognised,
        n_recognised / max(MIN_KNOWN, len(out_of_sample)),
        n_successes / n_sightings if n_sightings else None,
        interval[0] if interval else None,
        interval[1] if interval else None,
        _pooled([(record.base_rate, record.n_known) for record in out_of_sample]),
    )


def _pooled(parts: Sequence[tuple[float | None, int]]) -> float | None:
    defined = [(value, n) for value, n in parts if value is not None and n]
    total = sum(n for _, n in defined)
    return sum(value * n for value, n in defined) / total if total else None


def _difference(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
