"""Confirmation: which of the patterns found also hold on bars that no search has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from patterns.discovery.features import Features
from patterns.discovery.mining import PatternCandidate
from patterns.discovery.options import MiningOptions, Progress
from patterns.discovery.pattern import Pattern
from patterns.discovery.positions import held_bars
from patterns.discovery.rates import adjusted_p_values
from patterns.discovery.sightings import Sightings, base_rate, features_of, find_sightings
from patterns.discovery.tracking import Record, record_of
from trainingday.bars import Bars
from trainingday.stats.multiplicity import benjamini_hochberg
from trainingday.typing import JSONDict

# Eight bars a byte: a million bars of thousands of patterns would not fit otherwise.
PackedBars = NDArray[np.uint8]


@dataclass(frozen=True)
class Confirmation:
    """What later bars say about one pattern.

    Attributes
    ----------
    t_statistic : Student t of mean outcome minus the segment's mean, signed by the pattern's
        direction; None with too few sightings.
    p_value : one-sided, degrees of freedom n - 1; None likewise.
    q_value : smallest false discovery rate, over all candidates examined, at which it is significant.
    record : its sightings on the later bars.
    is_confirmed : significant, paid after costs, and not a copy of a better one.
    reason : why not, one sentence; None if confirmed.
    duplicate_of : id of the confirmed pattern that it repeats, or None.
    """

    pattern: Pattern
    t_statistic: float | None
    p_value: float | None
    q_value: float
    record: Record
    is_confirmed: bool
    reason: str | None
    duplicate_of: str | None

    def as_dict(self) -> JSONDict:
        """Return the evidence, JSON-safe; `Pattern.from_dict` reads its "pattern"."""
        return {
            "pattern": self.pattern.as_dict(),
            "t": self.t_statistic,
            "p_value": self.p_value,
            "q_value": self.q_value,
            "is_confirmed": self.is_confirmed,
            "reason": self.reason,
            "duplicate_of": self.duplicate_of,
            **self.record.as_dict(),
        }


def confirm(
    candidates: Sequence[PatternCandidate],
    bars: Bars,
    segment: slice,
    options: MiningOptions | None = None,
    progress: Progress | None = None,
    *,
    features: Features | None = None,
) -> list[Confirmation]:
    """Return the verdict on each candidate from the later bars of `segment`, in the given order.

    One-sided Student t in the direction found, of sightings thinned to at least one horizon apart,
    against the segment's mean outcome, n >= min_sightings; Benjamini-Hochberg at confirmation_rate
    over all candidates, those with too few sightings counting as p = 1; mean after costs > 0; then
    the best p first, a pattern is dropped if it shares more than max_overlap of the shorter one's
    active bars with a kept one of its direction.

    Parameters
    ----------
    progress : called with the share done in [0, 1] and the stage; may raise to cancel.

    Raises
    ------
    InvalidArgument
        If the segment holds no bar, or `features` are of other bars.
    """
    options = options or MiningOptions()
    features = features_of(bars, features)
    tested = []
    for index, candidate in enumerate(candidates):
        if progress is not None:
            progress(index / len(candidates), "confirming on later bars")
        tested.append(_test(candidate.pattern, bars, segment, options, features))
    if not tested:
        return []
    p_values = np.array([1.0 if each.p_value is None else each.p_value for each in tested])
    q_values = adjusted_p_values(p_values)
    is_significant = benjamini_hochberg(p_values, options.confirmation_rate)
    graded = [
        _grade(replace(each, q_value=float(q)), bool(significant), options)
        for each, q, significant in zip(tested, q_values, is_significant, strict=True)
    ]
    return _without_copies(graded, features, segment, options)


def confirmed_patterns(confirmations: Sequence[Confirmation]) -> list[Pattern]:
    """Return the patterns that were confirmed."""
    return [each.pattern for each in confirmations if each.is_confirmed]


def _test(
    pattern: Pattern, bars: Bars, segment: slice, options: MiningOptions, features: Features
) -> Confirmation:
    seen = find_sightings(bars, pattern, segment, options, features=features)
    base = base_rate(bars, segment, pattern.horizon, pattern.direction, options, features=features)
    record = record_of([seen], [base])
    t, p = None, None
    if base.mean_scaled_outcome is not None and record.n_known >= options.min_sightings:
        t, p = _one_sided(seen, base.mean_scaled_outcome, pattern.direction)
    return Confirmation(pattern, t, p, 1.0, record, False, None, None)


def _one_sided(seen: Sightings, base_mean: float, direction: int) -> tuple[float, float] | tuple[None, None]:
    outcomes = direction * (seen.scaled_outcome[seen.is_known] - base_mean)
    deviation = outcomes.std(ddof=1)
    if not deviation > 1e-12 * max(1.0, float(np.abs(outcomes).max())):
        return None, None
    t = float(outcomes.mean() / (deviation / np.sqrt(outcomes.size)))
    return t, float(stdtr(outcomes.size - 1, -t))


def _grade(tested: Confirmation, is_significant: bool, options: MiningOptions) -> Confirmation:
    mean = tested.record.mean_net_return
    if tested.p_value is None:
        n, need = tested.record.n_known, options.min_sightings
        reason = f"Seen {n} times on later bars, {need} are needed." if n < need else "Outcomes do not vary."
    elif not is_significant:
        reason = (
            f"Not significant on later bars: q {tested.q_value:.3g}, at most "
            f"{options.confirmation_rate:g} is needed."
        )
    elif mean is None or mean <= 0:
        reason = f"Its mean return after costs is {mean or 0:.3%}, above 0 is needed."
    else:
        return replace(tested, is_confirmed=True)
    return replace(tested, reason=reason)


def _without_copies(
    graded: list[Confirmation], features: Features, segment: slice, options: MiningOptions
) -> list[Confirmation]:
    passed = [i for i, each in enumerate(graded) if each.is_confirmed]
    passed.sort(key=lambda i: (graded[i].p_value, graded[i].pattern.id))
    result = list(graded)
    kept: list[tuple[int, PackedBars]] = []
    for i in passed:
        active = np.packbits(held_bars(features, graded[i].pattern, segment))
        better, share = _most_shared(active, [one for one in kept if _same_way(graded, i, one[0])])
        if better is None or share <= options.max_overlap:
            kept.append((i, active))
            continue
        name = graded[better].pattern.id
        reason = f"Active on the same bars as {name} {share:.0%} of the time."
        result[i] = replace(graded[i], is_confirmed=False, reason=reason, duplicate_of=name)
    return result


def _same_way(graded: list[Confirmation], one: int, other: int) -> bool:
    return graded[one].pattern.direction == graded[other].pattern.direction


def _most_shared(active: PackedBars, kept: list[tuple[int, PackedBars]]) -> tuple[int | None, float]:
    """Return the kept pattern that shares most, and the share of the shorter one's active bars."""
    best, most = None, 0.0
    size = int(np.bitwise_count(active).sum())
    for index, other in kept:
        shorter = max(min(size, int(np.bitwise_count(other).sum())), 1)
        share = int(np.bitwise_count(active & other).sum()) / shorter
        if share > most:
            best, most = index, share
    return best, most
