"""Follows the champion and its rejected challengers on bars that arrive later, and acts on what they show.

What is followed is fixed first: a reign from the newest bar known when it began, a challenger from the newest
bar known when its exam failed. Positions come from the very artefact or parameters that were examined; each is
decided from bars up to its own, and what is recorded is never computed again, so a later import cannot change
it. The champion's last position is kept too, for the signal. Two rules read the record, and nothing else that
decides does:

- A challenger whose lead over the champion, and over the market baseline that its exam had fixed, leaves 0
  below it at the newest bar is promoted. The level of each such sequence is the exam's own: by luck alone a challenger is ever
  promoted with at most `market.alpha`, 0.005. Only challengers that used a sealed exam are followed, at most
  ten per test window between promotions, so that what luck may promote this way is bounded as the exams are,
  by another 5 % per window. A promotion on forward evidence refills no exams.
- A champion whose own mean leaves 0 above it at the newest bar rings the decay alarm (level 0.05, two-sided).

How this squares with a later exam on the same bars: they become a test window in time, and by then the record
of these few strategies on them is public. A candidate of that window was not searched, trained or selected by
it: search, tournaments and mining read train and validation only, and no founder is taken from a reign that
such bars decided while they are the test window (`strategies.plans`). A champion that was promoted on these
bars is re-scored on them in the exam, with the luck that it was chosen by, which makes the exam harder for
the candidate, never easier. EVIDENCE asks for the lead over the champion alone; the market baseline is asked
for as well since in a rising market any long position leads a cautious champion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import QuerySet

from strategies import queries
from strategies.exam import costs_of, crown
from strategies.forward_evidence import Standing, challenger_standing, reign_standing
from strategies.forward_series import ForwardSeries, later_bars, opening_position
from strategies.latest import latest_position, store_latest
from strategies.models import Champion, ForwardRecord, ForwardStretch, LatestPosition, Look, Strategy
from strategies.positions import CONTROLS, positions_of
from strategies.walks import Walks
from trainingday.access import audit
from trainingday.bars import Bars
from trainingday.exceptions import TrainingDayError
from trainingday.markets.models import Dataset, Market
from trainingday.markets.queries import query_bars
from trainingday.stats.gate import Verdict
from trainingday.typing import FloatArray

log = structlog.get_logger(__name__)
MAX_PASSES = 10


@dataclass(eq=False)
class Follower:
    """A record at work: what stands, what the newest bars add, and what both say."""

    record: ForwardRecord
    past: ForwardSeries
    new: ForwardSeries
    standing: Standing | None = None

    @property
    def series(self) -> ForwardSeries:
        return self.past.joined(self.new)


def follow_market(market: Market) -> int:
    """Record the bars that arrived, promote or ring where the record says so; return how many bars.

    Running it again, or twice at a time, changes nothing: a pass is one transaction that commits only while
    champion and records are as it read them.
    """
    n_recorded = 0
    for _ in range(MAX_PASSES):  # a promotion opens a reign, which is followed in turn
        if not needs_following(market):
            break
        n_recorded += _pass(market)
    return n_recorded


def needs_following(market: Market) -> bool:
    """Return whether a record or the signal lacks the newest bars, or somebody is not followed yet."""
    dataset = _newest(market)
    if dataset is None:
        return False
    lagging = _active(market).filter(checked_us__lt=dataset.last_us)
    return (
        lagging.exists()
        or _unfollowed_reign(market) is not None
        or bool(_unfollowed_looks(market))
        or _lacks_position(market, dataset)
    )


def known_until(market: Market, dataset: Dataset | None, moment: datetime) -> int | None:
    """Return the newest bar that any dataset of the market held at a moment, None before the first."""
    stored = Dataset.objects.filter(market=market, created_at__lte=moment)
    ends = [*stored.values_list("last_us", flat=True), *([dataset.last_us] if dataset else [])]
    return max(ends, default=None)


def _pass(market: Market) -> int:
    """Record what is new and decide; return the number of bars, 0 where another worker was faster."""
    dataset = _newest(market)
    assert dataset is not None
    bars = query_bars(dataset)
    champion = queries.current_champion(market)
    reader = _Reader(market, bars)
    followers = [reader.follow(record) for record in [*_active(market), *_unfollowed(market)]]
    for one in followers:
        one.standing = _standing(market, one, champion, followers)
    with transaction.atomic():
        Market.objects.select_for_update().get(pk=market.pk)
        if not _is_unchanged(market, champion, followers):
            return 0
        for one in followers:
            _store(one, dataset)
        if champion is not None and (latest := reader.latest(champion.strategy, dataset)):
            store_latest(latest)
        _promote_first(market, champion, followers)
    _report_alarms(market, followers)
    return sum(len(one.new) for one in followers)


class _Reader:
    """Extends records on one dataset; the positions of a strategy are computed once."""

    def __init__(self, market: Market, bars: Bars) -> None:
        self._market, self._bars = market, bars
        self._targets: dict[int, FloatArray] = {}
        self._walks: dict[int, Walks] = {}

    def follow(self, record: ForwardRecord) -> Follower:
        """Return the record with what the bars add: nothing, and why, where the strategy fails on them."""
        parts = record.stretches.values_list("content", flat=True) if record.pk else ()
        past = ForwardSeries.from_bytes(parts)
        try:
            new, record.problem = self._later(record, past), ""
        except TrainingDayError as error:
            new, record.problem = ForwardSeries.from_bytes(()), str(error)
        return Follower(record, past, new)

    def _later(self, record: ForwardRecord, past: ForwardSeries) -> ForwardSeries:
        targets = self._positions(record.strategy)
        if record.opening_position is None:
            record.opening_position = opening_position(self._bars, targets, record.after_us)
        return later_bars(
            self._bars,
            targets,
            past,
            after_us=record.after_us,
            opening=record.opening_position,
            costs=costs_of(self._market),
            bars_per_year=self._market.bars_per_year,
        )

    def latest(self, strategy: Strategy, dataset: Dataset) -> LatestPosition | None:
        """Return the last position of a strategy that was followed, None where it failed on the bars."""
        targets = self._targets.get(strategy.pk)
        if targets is None:
            return None
        return latest_position(strategy, dataset, self._bars, targets, self._walks[strategy.pk])

    def _positions(self, strategy: Strategy) -> FloatArray:
        if strategy.pk not in self._targets:
            walks = self._walks[strategy.pk] = Walks()
            self._targets[strategy.pk] = positions_of(strategy, self._bars, walks)
        return self._targets[strategy.pk]


def _standing(
    market: Market, one: Follower, champion: Champion | None, followers: Iterable[Follower]
) -> Standing:
    if one.record.reign_id is not None:
        return reign_standing(one.series, market.bars_per_year)
    rival = None
    if champion is not None and champion.strategy_id != one.record.strategy_id:
        reigning = [other.series for other in followers if other.record.reign_id == champion.pk]
        rival = reigning[0] if reigning else ForwardSeries.from_bytes(())
    return challenger_standing(
        one.series, rival, one.record.look, bars_per_year=market.bars_per_year, level=market.alpha
    )


def _is_unchanged(market: Market, champion: Champion | None, followers: Iterable[Follower]) -> bool:
    current = queries.current_champion(market)
    if (current and current.pk) != (champion and champion.pk):
        return False
    stored = dict(ForwardRecord.objects.filter(market=market).values_list("pk", "until_us"))
    opened = {one.record.pk: one.record.until_us for one in followers if one.record.pk}
    if any(stored.get(pk) != until_us for pk, until_us in opened.items()):
        return False
    new = [one.record for one in followers if not one.record.pk]
    waiting = {(record.reign_id, record.look_id) for record in _unfollowed(market)}
    return all((record.reign_id, record.look_id) in waiting for record in new)


def _store(one: Follower, dataset: Dataset) -> None:
    record, new = one.record, one.new
    record.checked_us = dataset.last_us
    record.standing = one.standing.as_dict() if one.standing else {}
    if len(new):
        record.until_us = int(new.timestamps[-1])
        record.n_bars += len(new)
    record.save()
    if len(new):
        ForwardStretch.objects.create(
            record=record,
            dataset=dataset,
            dataset_hash=dataset.sha256,
            first_us=int(new.timestamps[0]),
            last_us=int(new.timestamps[-1]),
            n_bars=len(new),
            content=new.to_bytes(),
        )


def _promote_first(market: Market, champion: Champion | None, followers: Iterable[Follower]) -> None:
    """Crown the challenger that was proven first; the others are compared with it from now on.

    A record promotes once: after a roll-back its strategy comes back by an exam or by hand.
    """
    spent = set(
        Champion.objects.filter(market=market, forward__isnull=False).values_list("forward", flat=True)
    )
    proven = [
        (one.standing.decided_us, one.record.pk, one.record, one.standing.reason)
        for one in followers
        if one.standing is not None and one.standing.promotes and one.standing.decided_us is not None
        if one.record.pk not in spent
        if champion is None or one.record.strategy_id != champion.strategy_id
    ]
    if proven:
        _, _, record, reason = min(proven, key=lambda entry: entry[:2])
        with audit.doing("promote on later bars", reason):
            crown(market, record.strategy, reason=reason, forward=record)
        ForwardRecord.objects.filter(pk=record.pk).update(proof=record.standing)
        log.info("promoted on forward evidence", market=market.slug, strategy=record.strategy_id)


def _report_alarms(market: Market, followers: Iterable[Follower]) -> None:
    for one in followers:
        if one.record.has_alarm and len(one.new):
            log.warning("decay alarm", market=market.slug, reason=one.record.standing["reason"])


def _newest(market: Market) -> Dataset | None:
    return Dataset.objects.filter(market=market).order_by("-version").first()


def _active(market: Market) -> QuerySet[ForwardRecord]:
    """Return the records that grow: the current reign's and every rejected challenger's."""
    records = ForwardRecord.objects.filter(market=market).select_related("strategy", "look")
    return records.filter(reign__isnull=True) | records.filter(reign__until__isnull=True)


def _unfollowed(market: Market) -> list[ForwardRecord]:
    """Return unsaved records of those who are to be followed and are not yet."""
    wanted = [
        _fixed(market, look.strategy, look, look.created_at, look=look) for look in _unfollowed_looks(market)
    ]
    reign = _unfollowed_reign(market)
    if reign is not None:
        wanted.append(_fixed(market, reign.strategy, reign.look, reign.since, reign=reign))
    return [record for record in wanted if record is not None]


def _lacks_position(market: Market, dataset: Dataset) -> bool:
    """Return whether the champion's position after the newest bar is not stored: after a correction, say."""
    following = _active(market).filter(reign__isnull=False, problem="")
    return following.exclude(strategy__latest_position__dataset=dataset).exists()


def _unfollowed_reign(market: Market) -> Champion | None:
    reigning = Champion.objects.filter(market=market, until__isnull=True, record__isnull=True)
    return reigning.select_related("strategy", "look__dataset").first()


def _unfollowed_looks(market: Market) -> list[Look]:
    """Return the first failed exam of each challenger that is not followed; a control is none."""
    failed = Look.objects.filter(market=market, is_charged=True, verdict=Verdict.NOT_PROVEN.value)
    followed = ForwardRecord.objects.filter(market=market, look__isnull=False).values("strategy")
    waiting = failed.exclude(strategy__in=followed).exclude(strategy__family__in=CONTROLS)
    first: dict[int, Look] = {}
    for look in waiting.select_related("strategy", "dataset").order_by("pk"):
        first.setdefault(look.strategy_id, look)
    return list(first.values())


def _fixed(
    market: Market, strategy: Strategy, exam: Look | None, when: datetime, **of: Champion | Look
) -> ForwardRecord | None:
    after_us = known_until(market, exam.dataset if exam else None, when)
    if after_us is None:
        return None
    times = {"after_us": after_us, "until_us": after_us, "checked_us": after_us}
    return ForwardRecord(market=market, strategy=strategy, **times, **of)
