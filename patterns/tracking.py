"""Follows patterns on bars that came after they were found, never on the sealed test window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from patterns.discovery.features import Features
from patterns.discovery.options import MiningOptions
from patterns.discovery.pattern import Pattern as Definition
from patterns.discovery.sightings import Sightings, base_rate, find_sightings
from patterns.discovery.tracking import Record, decay, record_of
from trainingday.bars import Bars
from trainingday.markets.splits import Split
from trainingday.typing import BoolArray, JSONDict


@dataclass(frozen=True, eq=False)
class Readable:
    """The bars that patterns may be judged on: those before the test window, and those after it.

    The bars after it are cut off as bars of their own, so that no word, volatility or volume there
    reaches back into the test window; their first window of bars therefore holds no sighting.
    """

    before: Features
    forward: Features | None

    @classmethod
    def of(cls, bars: Bars, split: Split) -> Readable:
        later = bars[split.forward]
        return cls(Features(bars[: split.test.start]), Features(later) if len(later) else None)

    @property
    def last_us(self) -> int:
        """Return the opening time of the newest bar that may be read."""
        return int((self.forward or self.before).bars.timestamps[-1])


@dataclass(frozen=True, eq=False)
class _Part:
    """Sightings on one side of the test window, from bar `start` of its bars on."""

    features: Features
    start: int
    seen: Sightings

    def since(self, first_us: int) -> _Part:
        start = max(self.start, _bar_at(self.features, first_us))
        return _Part(self.features, start, _kept(self.seen, self.seen.decision_bar >= start))

    @property
    def is_empty(self) -> bool:
        return self.start >= len(self.features.bars)


@dataclass(frozen=True)
class Later:
    """What became of a pattern on later bars.

    Attributes
    ----------
    sightings : (opening time of the decision bar, net return or None, success or None), in time order;
        None while the horizon has not passed.
    since_found : all readable bars that mining did not see; None without any.
    since_confirmed : those that the confirmation did not see either; None without any.
    """

    sightings: tuple[tuple[int, float | None, bool | None], ...]
    since_found: Record | None
    since_confirmed: Record | None

    def as_dict(self, train: Record) -> JSONDict:
        """Return both records with their change against the record on train, JSON-safe."""
        return {
            "since_found": self.since_found.as_dict() if self.since_found else {},
            "since_confirmed": self.since_confirmed.as_dict() if self.since_confirmed else {},
            "decay": _decay(train, self.since_found),
            "decay_since_confirmed": _decay(train, self.since_confirmed),
        }


def follow(
    definition: Definition,
    readable: Readable,
    later_from_us: int,
    judged_from_us: int,
    options: MiningOptions,
) -> Later:
    """Return the pattern's sightings and records on readable bars from `later_from_us` on.

    Sightings are at least one horizon apart on each side of the test window. Those whose outcome can
    never be known, because bars are missing or the exit lies in the test window, are left out.
    """
    parts = []
    for features in (readable.before, readable.forward):
        start = _bar_at(features, later_from_us) if features else 0
        if features is None or start >= len(features.bars):
            continue
        seen = find_sightings(features.bars, definition, slice(start, None), options, features=features)
        can_be_known = seen.is_known | (seen.is_pending & (features is readable.forward))
        parts.append(_Part(features, start, _kept(seen, can_be_known)))
    return Later(
        tuple(row for part in parts for row in _rows(part)),
        _record(parts, definition, options),
        _record([part.since(judged_from_us) for part in parts], definition, options),
    )


def stored_record(evidence: JSONDict) -> Record:
    """Return the record within stored evidence, as `PatternCandidate.as_dict` wrote it."""
    return Record(**{field.name: evidence[field.name] for field in fields(Record)})


def _rows(part: _Part) -> list[tuple[int, float | None, bool | None]]:
    seen, stamps = part.seen, part.features.bars.timestamps
    return [
        (int(stamps[bar]), float(net) if known else None, bool(success) if known else None)
        for bar, net, success, known in zip(
            seen.decision_bar, seen.net_return, seen.is_success, seen.is_known, strict=True
        )
    ]


def _record(parts: Sequence[_Part], definition: Definition, options: MiningOptions) -> Record | None:
    held = [part for part in parts if not part.is_empty]
    if not held:
        return None
    bases = [
        base_rate(
            part.features.bars, slice(part.start, None), definition.horizon, definition.direction, options,
            features=part.features,
        )
        for part in held
    ]  # fmt: skip
    return record_of([part.seen for part in held], bases)


def _decay(before: Record, after: Record | None) -> JSONDict:
    if after is None:
        return {"success_rate": None, "mean_net_return": None}
    change = decay(before, after)
    return {"success_rate": change.success_rate, "mean_net_return": change.mean_net_return}


def _bar_at(features: Features, first_us: int) -> int:
    return int(np.searchsorted(features.bars.timestamps, first_us, side="left"))


def _kept(seen: Sightings, mask: BoolArray) -> Sightings:
    return Sightings(*(getattr(seen, field.name)[mask] for field in fields(Sightings)))
