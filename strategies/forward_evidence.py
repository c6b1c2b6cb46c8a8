"""What a forward record says so far: against nothing, against the champion, against the market."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from strategies.forward_series import ForwardSeries
from strategies.models import Look
from trainingday.display import percent, thin
from trainingday.stats.forward import (
    MIN_FORWARD_BARS,
    ForwardEvidence,
    ForwardVerdict,
    challenger_evidence,
    decay_alarm,
)
from trainingday.typing import FloatArray, JSONDict

ALARM_LEVEL = 0.05
N_SPARK = 60
FLAT, CHAMPION, MARKET = "doing nothing", "the champion", "buy and hold"


@dataclass(frozen=True)
class Lead:
    """The mean difference to one rival; annualised simple returns.

    Attributes
    ----------
    rival : str
    verdict, reason : str
        Of `trainingday.stats.forward`.
    mean, low, high : float or None
        At the last common bar, with the bounds of the confidence sequence.
    level : float
        Chance that the sequence ever leaves the true mean out, both sides together.
    n_bars : int
        Recorded bars that both have.
    decided_us : int or None
        First bar of those, up to the last, at which the sequence leaves 0 out, microseconds UTC.
    """

    rival: str
    verdict: str
    reason: str
    mean: float | None
    low: float | None
    high: float | None
    level: float
    n_bars: int
    decided_us: int | None


@dataclass(frozen=True)
class Standing:
    """What the recorded bars say; stored with the record for pages and the API.

    Attributes
    ----------
    reason : str
        One sentence for people.
    leads : tuple of Lead
        A reign: against doing nothing. A challenger: against the champion, where there is one, and against
        the market baseline of its exam.
    promotes, alarm : bool
        What is to be done; `decided_us` is the bar from which on it was.
    first_us, last_us : int or None
        Recorded bars, microseconds UTC.
    total_return, market_return : float or None
        Compounded net return over them, of the strategy and of buy & hold.
    equity, market_equity : list of float
        The same as at most 60 points each, for a sparkline.
    """

    reason: str
    leads: tuple[Lead, ...]
    promotes: bool
    alarm: bool
    decided_us: int | None
    n_bars: int
    first_us: int | None
    last_us: int | None
    total_return: float | None
    market_return: float | None
    equity: list[float]
    market_equity: list[float]

    def as_dict(self) -> JSONDict:
        return {**asdict(self), "leads": [asdict(lead) for lead in self.leads]}


def reign_standing(series: ForwardSeries, bars_per_year: float) -> Standing:
    """Return what later bars say of a champion: it rings the alarm where it loses beyond bad luck."""
    found = decay_alarm(series.returns, bars_per_year=bars_per_year, level=ALARM_LEVEL)
    lead = _lead(FLAT, found, series, ALARM_LEVEL)
    rings = found.verdict is ForwardVerdict.WORSE
    return _standing(series, found.reason, (lead,), alarm=rings, decided_us=lead.decided_us)


def challenger_standing(
    series: ForwardSeries,
    champion: ForwardSeries | None,
    look: Look | None,
    *,
    bars_per_year: float,
    level: float,
) -> Standing:
    """Return what later bars say of a rejected challenger.

    Parameters
    ----------
    series : ForwardSeries
        Of the challenger.
    champion : ForwardSeries or None
        Of the current reign; None where there is none, or the challenger holds it.
    look : Look or None
        Its failed exam, which names the market baseline: that was chosen on train and validation.
    bars_per_year : float
    level : float
        Chance that luck alone ever promotes it over one rival; the sequence's two sides get it each.
    """
    leads = []
    if champion is not None:
        own, other = _common(series, champion)
        found = challenger_evidence(
            own.returns, other.returns, bars_per_year=bars_per_year, level=2.0 * level
        )
        leads.append(_lead(CHAMPION, found, own, 2.0 * level))
    name, baseline = _market_baseline(series, look)
    found = challenger_evidence(series.returns, baseline, bars_per_year=bars_per_year, level=2.0 * level)
    leads.append(_lead(name, found, series, 2.0 * level))
    promotes = all(lead.verdict == ForwardVerdict.BETTER.value for lead in leads)
    decided_us = max(lead.decided_us or 0 for lead in leads) if promotes else None
    return _standing(
        series, _reason(leads, promotes=promotes), tuple(leads), promotes=promotes, decided_us=decided_us
    )


def _reason(leads: list[Lead], *, promotes: bool) -> str:
    if not promotes:
        waiting = [lead for lead in leads if lead.verdict != ForwardVerdict.BETTER.value]
        words = {
            ForwardVerdict.WORSE.value: "earned less than",
            ForwardVerdict.CANNOT_TELL.value: "cannot be compared with",
        }
        first = waiting[0]
        done = words.get(first.verdict, "cannot yet be told from")
        return f"On {first.n_bars:,} later bars it {done} {first.rival}."
    parts = [
        f"{percent(lead.mean)} a year more than {lead.rival} ({percent(lead.low)} to {percent(lead.high)}, "
        f"n = {lead.n_bars:,} bars)"
        for lead in leads
    ]
    return (
        f"Promoted on forward evidence: on bars that arrived after its exam it earned {' and '.join(parts)}."
    )


def _market_baseline(series: ForwardSeries, look: Look | None) -> tuple[str, FloatArray]:
    """Return the baseline that the exam had fixed beside the champion; only its name leaves the seal."""
    sealed: dict[str, Any] = look.decision["sealed"] if look is not None else {}
    names = {comparison["baseline"] for comparison in sealed.get("comparisons", ())}
    if "flat" in names:
        return FLAT, np.zeros(len(series))
    return MARKET, series.market_returns


def _common(one: ForwardSeries, other: ForwardSeries) -> tuple[ForwardSeries, ForwardSeries]:
    """Return the bars that both recorded."""
    _, first, second = np.intersect1d(
        one.timestamps, other.timestamps, assume_unique=True, return_indices=True
    )
    return _taken(one, first), _taken(other, second)


def _taken(series: ForwardSeries, places: Any) -> ForwardSeries:
    return ForwardSeries(
        series.timestamps[places],
        series.positions[places],
        series.returns[places],
        series.market_returns[places],
    )


def _lead(rival: str, found: ForwardEvidence, series: ForwardSeries, level: float) -> Lead:
    """Return the lead over a rival, in words that name it."""
    words = {
        ForwardVerdict.BETTER: "It earned more than {} on bars that neither had seen.",
        ForwardVerdict.WORSE: "It earned less than {} on bars that neither had seen.",
        ForwardVerdict.UNDECIDED: "Later bars do not yet tell it from {}.",
    }
    is_early = found.n_bars < MIN_FORWARD_BARS
    reason = found.reason if is_early else words.get(found.verdict, found.reason).format(rival)
    decided_us = None if found.decided_at is None else int(series.timestamps[found.decided_at])
    return Lead(
        rival,
        found.verdict.value,
        reason,
        found.mean,
        found.low,
        found.high,
        level,
        found.n_bars,
        decided_us,
    )


def _standing(
    series: ForwardSeries,
    reason: str,
    leads: tuple[Lead, ...],
    *,
    promotes: bool = False,
    alarm: bool = False,
    decided_us: int | None = None,
) -> Standing:
    n_bars = len(series)
    equity, market = series.equity, series.market_equity
    return Standing(
        reason=reason,
        leads=leads,
        promotes=promotes,
        alarm=alarm,
        decided_us=decided_us,
        n_bars=n_bars,
        first_us=int(series.timestamps[0]) if n_bars else None,
        last_us=int(series.timestamps[-1]) if n_bars else None,
        total_return=float(equity[-1] - 1.0) if n_bars else None,
        market_return=float(market[-1] - 1.0) if n_bars else None,
        equity=[1.0, *thin(equity.tolist(), N_SPARK - 1)] if n_bars else [],
        market_equity=[1.0, *thin(market.tolist(), N_SPARK - 1)] if n_bars else [],
    )
