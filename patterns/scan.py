"""The pattern scan: mined on train, confirmed on validation, blind to the test window."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from django.db.models.functions import Now

from patterns.discovery.confirm import Confirmation, confirm
from patterns.discovery.features import Features
from patterns.discovery.mining import MiningResult, PatternCandidate, mine
from patterns.discovery.options import MiningOptions, Segments
from patterns.discovery.sightings import Sightings, find_sightings
from patterns.discovery.template import template
from patterns.discovery.tracking import recognition
from patterns.models import Pattern, PatternScan, PatternSighting
from trainingday.bars import Bars
from trainingday.markets.queries import query_bars
from trainingday.markets.services import current_test_window
from trainingday.markets.splits import Split, plan_split
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunState

MINING_SHARE = 0.8


def execute(context: RunContext) -> str:
    """Carry out a scan of its own; return what it came to in a sentence."""
    scan = cast(PatternScan, context.run)
    bars = query_bars(scan.dataset)
    window = current_test_window(scan.market, scan.dataset)
    split = plan_split(len(bars), bars.timestamps, window)
    context.stage("patterns", 0.0)
    return run_scan(context, scan, bars, split, span=(0.0, 1.0))


def run_scan(context: RunContext, scan: PatternScan, bars: Bars, split: Split, *, span: tuple[float, float]) -> str:
    """Mine, confirm and store; as part of a session the scan's row is written under the session's fence.

    Test bars are cut off before anything is computed. The same bars give the same rows, so a repeated
    attempt changes nothing.
    """
    market = scan.market
    options = MiningOptions(cost_per_side=market.fee + market.slippage)
    seen = bars[: split.validation.stop]
    features = Features(seen)

    def report(share: float, what: str) -> None:
        done = span[0] + (span[1] - span[0]) * share * MINING_SHARE
        context.tick(done, {"detail": f"patterns: {what}"})

    mined = mine(seen, Segments(split.train), options, report, features=features)
    confirmations = confirm(mined.found, seen, split.validation, options, features=features)
    reason = _sentence(mined, confirmations)
    with context.transaction():
        n_new = sum(
            _store(scan, seen, split, candidate, confirmation, features, options)
            for candidate, confirmation in zip(mined.found, confirmations, strict=True)
        )
        _finish(scan, mined, confirmations, n_new, reason)
        context.add_event("note", {"text": reason})
    return reason


def _store(
    scan: PatternScan,
    bars: Bars,
    split: Split,
    candidate: PatternCandidate,
    confirmation: Confirmation,
    features: Features,
    options: MiningOptions,
) -> bool:
    """Store one pattern with its sightings on validation; True if it is confirmed for the first time."""
    found = candidate.pattern
    pattern = Pattern.objects.filter(market=scan.market, key=found.id).first() or Pattern(
        market=scan.market, key=found.id, found_by=scan
    )
    is_new = confirmation.is_confirmed and pattern.confirmed_at is None
    judged = confirmation.record if confirmation.record.n_known else candidate.record
    drawn = template(bars, found, split.train, features=features)
    pattern.window, pattern.word, pattern.horizon = found.shape.window, found.letters, found.horizon
    pattern.volatility_regime, pattern.volume_regime = found.volatility_name, found.volume_name
    pattern.direction, pattern.definition = found.direction, found.as_dict()
    pattern.last_scan = scan
    pattern.discovery, pattern.confirmation = candidate.as_dict(), confirmation.as_dict()
    pattern.success_rate, pattern.average_return = judged.success_rate, judged.mean_net_return
    pattern.n_occurrences, pattern.q_value = candidate.record.n_known, candidate.q_value
    pattern.template = drawn.as_dict() if drawn else {}
    if pattern.state != Pattern.State.RETIRED:
        pattern.state = Pattern.State.CONFIRMED if confirmation.is_confirmed else Pattern.State.CANDIDATE
        pattern.state_reason = confirmation.reason or "significant on validation and paid after costs"
    if is_new:
        pattern.confirmed_at = Now()  # type: ignore[assignment]  # the database's clock
    pattern.save()
    _store_sightings(pattern, bars, find_sightings(bars, found, split.validation, options, features=features))
    return is_new


def _store_sightings(pattern: Pattern, bars: Bars, seen: Sightings) -> None:
    rows = [
        PatternSighting(
            pattern=pattern,
            bar_us=int(bars.timestamps[seen.decision_bar[index]]),
            forward_return=float(seen.net_return[index]) if seen.is_known[index] else None,
            is_success=bool(seen.is_success[index]) if seen.is_known[index] else None,
        )
        for index in range(len(seen))
    ]
    PatternSighting.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["pattern", "bar_us"],
        update_fields=["forward_return", "is_success"],
    )


def _finish(
    scan: PatternScan, mined: MiningResult, confirmations: list[Confirmation], n_new: int, reason: str
) -> None:
    scan.n_tested, scan.n_found = mined.candidates_tested, len(mined.found)
    scan.n_confirmed, scan.n_new = sum(each.is_confirmed for each in confirmations), n_new
    scan.recognition = asdict(recognition([each.record for each in confirmations if each.is_confirmed]))
    fields = ["n_tested", "n_found", "n_confirmed", "n_new", "recognition"]
    if scan.is_part:
        scan.state, scan.reason, scan.progress, scan.finished_at = RunState.SUCCEEDED, reason, 1.0, Now()  # type: ignore[assignment]
        fields += ["state", "reason", "progress", "finished_at"]
    scan.save(update_fields=fields)


def _sentence(mined: MiningResult, confirmations: list[Confirmation]) -> str:
    n_confirmed = sum(each.is_confirmed for each in confirmations)
    counted = f"{mined.candidates_tested:,} candidates tested, {len(mined.found)} found, {n_confirmed} confirmed"
    return f"{counted}. {mined.reason}" if mined.reason else f"{counted} on later bars."


