"""The champion's position for a market's latest bar, since when, why, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from strategies import queries
from strategies.latest import query_latest
from strategies.models import Champion, LatestPosition, Strategy
from trainingday.markets.models import Dataset, Market, moment
from trainingday.typing import JSONDict

INTERVALS_UNTIL_STALE = 2
# Markets that close: a weekend, and a holiday beside it.
CLOSED_DAYS = timedelta(days=4)
N_CACHED = 64


@dataclass(frozen=True)
class Signal:
    """What a bot should hold now.

    Attributes
    ----------
    market : str
        Slug.
    state : str
        "champion", or "no_champion": there is nothing to follow.
    position : float or None
        Target as a fraction of equity in [-1, 1]; fill it at the next bar's open.
    since : datetime or None
        Close of the bar on which the champion decided this position.
    bar, decided_at : datetime or None
        Open and close of the latest bar known.
    age_seconds : float or None
        Since that close.
    is_stale : bool
        Whether newer bars should have arrived by now: the position may be out of date.
    dataset : dict or None
        Version and sha256 of the bars.
    champion : dict or None
        What it is, since when, and the evidence that made it champion.
    """

    market: str
    state: str
    position: float | None
    since: datetime | None
    bar: datetime | None
    decided_at: datetime | None
    age_seconds: float | None
    is_stale: bool
    dataset: JSONDict | None
    champion: JSONDict | None


# Strategies and datasets never change, so an answer is good for as long as both are the newest.
_cache: dict[tuple[str, str], LatestPosition] = {}


def market_signal(market: Market, now: datetime | None = None) -> Signal:
    """Return the signal of a market; two queries while champion and bars are the same, else one or two more.

    The worker that follows the market computes the position (`strategies.forward`). Before it has come to new
    bars or to a new champion it is computed here, once per process.
    """
    champion = queries.current_champion(market)
    dataset = Dataset.objects.filter(market=market).order_by("-version").first()
    if champion is None or dataset is None:
        return Signal(market.slug, "no_champion", None, None, None, None, None, False, None, None)
    latest = _latest(champion.strategy, dataset)
    interval = timedelta(seconds=market.interval)
    decided_at = moment(latest.bar_us) + interval
    age = (now or timezone.now()) - decided_at
    return Signal(
        market=market.slug,
        state="champion",
        position=latest.position,
        since=moment(latest.since_us) + interval,
        bar=moment(latest.bar_us),
        decided_at=decided_at,
        age_seconds=age.total_seconds(),
        is_stale=age > stale_after(market),
        dataset={"version": dataset.version, "sha256": dataset.sha256},
        champion=_evidence(champion),
    )


def stale_after(market: Market) -> timedelta:
    """Return the age of the latest close from which a signal is stale."""
    allowed = INTERVALS_UNTIL_STALE * timedelta(seconds=market.interval)
    return allowed if market.calendar == Market.Calendar.CRYPTO else allowed + CLOSED_DAYS


def _latest(strategy: Strategy, dataset: Dataset) -> LatestPosition:
    key = (strategy.fingerprint, dataset.sha256)
    if key not in _cache:
        if len(_cache) >= N_CACHED:
            _cache.pop(next(iter(_cache)), None)
        _cache[key] = query_latest(strategy, dataset)
    return _cache[key]


def _evidence(champion: Champion) -> JSONDict:
    """Return what made it champion; test numbers only of an exam that was passed."""
    look = champion.look or (champion.restores.look if champion.restores else None)
    exam = queries.public_decision(look) if look else None
    keys = ("verdict", "p_value", "level", "n_bars", "n_trades", "comparisons")
    return {
        "id": champion.pk,
        "strategy": champion.strategy.label,
        "family": champion.strategy.family,
        "since": champion.since,
        "reason": champion.reason,
        "decay_alarm": record.has_alarm if (record := getattr(champion, "record", None)) else False,
        "exam": {key: exam[key] for key in keys} if exam else None,
    }
