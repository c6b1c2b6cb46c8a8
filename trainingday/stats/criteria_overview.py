"""The mission's success criteria over many sessions: in how many each was met, and how large it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainingday.stats.criterion import (
    DRAWDOWN,
    ENSEMBLE,
    GENERATION,
    PATTERNS,
    SEARCH,
    SHARPE,
    VALIDATED,
    WIN_RATE,
    Heading,
)
from trainingday.stats.proportions import clopper_pearson_interval
from trainingday.stats.ratios import Interval
from trainingday.stats.resampling import median_interval

HEADINGS = (SHARPE, PATTERNS, WIN_RATE, VALIDATED, SEARCH, GENERATION, ENSEMBLE, DRAWDOWN)
# These already reach over all sessions of a market: only its newest counts.
OVER_GENERATIONS = frozenset({WIN_RATE.name, VALIDATED.name, GENERATION.name, ENSEMBLE.name})
MOST = 0.5


@dataclass(frozen=True)
class CriterionOverview:
    """One criterion over the sessions that were run.

    Attributes
    ----------
    name, title, how_measured : str
        As of `Heading`.
    unit : str
        "session" or "market": what is counted.
    n : int
        Of them, with the criterion on record.
    n_decided, n_met : int
        Of those, where it could be told, and where it was met.
    share : Interval or None
        Exact 95 % interval (Clopper-Pearson) of n_met of n_decided.
    median : float or None
        Of the decided values.
    spread : Interval or None
        95 % interval of the median by order statistics; None with fewer than 6 values.
    n_values : int
    met : bool or None
        Met where the whole interval of the share lies above one half, not met where it lies below; for
        "every promotion", where none is missing. None where these sessions do not tell.
    note : str
        Of the newest session: on which segment it was measured, and why.
    """

    name: str
    title: str
    how_measured: str
    unit: str
    n: int
    n_decided: int
    n_met: int
    share: Interval | None
    median: float | None
    spread: Interval | None
    n_values: int
    met: bool | None
    note: str

    @property
    def rate(self) -> float | None:
        return self.n_met / self.n_decided if self.n_decided else None

    @property
    def n_open(self) -> int:
        return self.n - self.n_decided

    @property
    def is_count(self) -> bool:
        return self.name == PATTERNS.name


def overview(sessions: Sequence[tuple[Any, Iterable[Mapping[str, Any]]]]) -> list[CriterionOverview]:
    """Return every criterion over sessions, in the mission's order.

    Parameters
    ----------
    sessions : sequence of (market, criteria)
        The newest first; criteria as `Criterion.as_dict` stores them. A name that is none of the eight is
        left out.
    """
    return [_overview(heading, sessions) for heading in HEADINGS]


def _overview(
    heading: Heading, sessions: Sequence[tuple[Any, Iterable[Mapping[str, Any]]]]
) -> CriterionOverview:
    is_cumulative = heading.name in OVER_GENERATIONS
    named = [
        (market, row) for market, criteria in sessions for row in criteria if row.get("name") == heading.name
    ]
    if heading is ENSEMBLE:  # new bars begin anew: what was decided on earlier ones stands until they decide
        named.sort(key=lambda pair: pair[1].get("met") is None)
    found: list[Mapping[str, Any]] = []
    seen: set[Any] = set()
    for market, row in named:
        if not (is_cumulative and market in seen):
            seen.add(market)
            found.append(row)
    decided = [row for row in found if row.get("met") is not None]
    n_met = sum(row["met"] is True for row in decided)
    # An undecided value may be in another unit: a plain difference where a percentage means nothing.
    values = np.array([row["value"] for row in decided if row.get("value") is not None], dtype=np.float64)
    share = clopper_pearson_interval(n_met, len(decided))
    return CriterionOverview(
        name=heading.name,
        title=heading.title,
        how_measured=heading.how_measured,
        unit="market" if is_cumulative else "session",
        n=len(found),
        n_decided=len(decided),
        n_met=n_met,
        share=share,
        median=float(np.median(values)) if values.size else None,
        spread=median_interval(values),
        n_values=int(values.size),
        met=_is_met(heading, n_met, len(decided), share),
        note=str(found[0].get("note") or "") if found else "",
    )


def _is_met(heading: Heading, n_met: int, n_decided: int, share: Interval | None) -> bool | None:
    if share is None:
        return None
    if heading is VALIDATED:
        return n_met == n_decided
    return True if share.low > MOST else False if share.high < MOST else None
