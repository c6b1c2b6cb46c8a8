"""The book of patterns: what a scan found becomes rows, and what came later is written to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.utils import timezone

from patterns.discovery.confirm import Confirmation
from patterns.discovery.mining import PatternCandidate
from patterns.discovery.options import MiningOptions, Progress
from patterns.discovery.pattern import REGIMES
from patterns.discovery.pattern import Pattern as Definition
from patterns.discovery.template import template
from patterns.discovery.tracking import retirement_reason
from patterns.models import Pattern, PatternFinding, PatternScan, PatternSighting
from patterns.tracking import Later, Readable, follow, stored_record
from trainingday.markets.models import Market
from trainingday.markets.splits import Split
from trainingday.typing import JSONDict

BATCH = 500
MAX_TEMPLATES = 100  # of one scan, best p-value first; every confirmed pattern has one beside
CONFIRMED_REASON = "significant on validation and paid after costs"
# What a scan may change of a pattern that exists.
CHANGED = [
    "definition", "state", "state_reason", "last_scan", "confirmed_by", "confirmed_at", "success_threshold",
    "later_from_us", "judged_from_us", "retired_at", "retired_until_us", "discovery", "confirmation", "tracking",
    "success_rate", "average_return", "n_occurrences", "q_value", "template", "updated_at",
]  # fmt: skip


def known_patterns(market: Market) -> dict[str, Pattern]:
    """Return the market's patterns by key."""
    return {row.key: row for row in Pattern.objects.filter(market=market)}


def describe(
    scan: PatternScan,
    known: dict[str, Pattern],
    candidates: Sequence[PatternCandidate],
    confirmations: Sequence[Confirmation],
    readable: Readable,
    split: Split,
    options: MiningOptions,
    report: Progress,
) -> list[Pattern]:
    """Return a row for each candidate, the known one where there is one; nothing is stored yet.

    A pattern that was confirmed or retired before keeps its definition and evidence.
    """
    rows = []
    for index, (candidate, confirmation) in enumerate(zip(candidates, confirmations, strict=True)):
        report(index / len(candidates), "describing what was found")
        key = candidate.pattern.id
        row = known.get(key) or Pattern(market=scan.market, key=key, found_by=scan)
        row.last_scan = scan
        if row.state == Pattern.State.CANDIDATE:
            _renew(row, candidate, confirmation, readable, split, options)
            if index < MAX_TEMPLATES or confirmation.is_confirmed:
                row.template = _drawn(candidate, readable, split)
        rows.append(row)
    return rows


def follow_all(
    rows: Sequence[Pattern], readable: Readable, options: MiningOptions, report: Progress
) -> dict[str, Later]:
    """Return what became of each pattern on later bars, by key."""
    followed = {}
    for index, row in enumerate(rows):
        report(index / len(rows), "following known patterns")
        followed[row.key] = follow(
            Definition.from_dict(row.definition),
            readable,
            row.later_from_us,
            row.judged_from_us,
            replace(options, success_threshold=row.success_threshold),
        )
    return followed


def store(
    scan: PatternScan,
    rows: Sequence[Pattern],
    found: Sequence[Pattern],
    followed: dict[str, Later],
    candidates: Sequence[PatternCandidate],
    confirmations: Sequence[Confirmation],
    readable: Readable,
) -> tuple[int, int]:
    """Write rows, findings and sightings inside an open transaction; return (new, retired by rule)."""
    _keep_retired_by_hand(scan.market, rows)
    n_new = sum(
        _confirm(row, scan) for row, each in zip(found, confirmations, strict=True) if each.is_confirmed
    )
    now = timezone.now()
    n_retired = 0
    for row in rows:
        later = followed[row.key]
        row.tracking = later.as_dict(stored_record(row.discovery)) | {
            "dataset": scan.dataset_id, "until_us": readable.last_us,
        }  # fmt: skip
        row.updated_at = now
        n_retired += _retire_by_rule(row, later, readable)
    _upsert([row for row in rows if row.pk is not None], ["id"])
    _upsert([row for row in rows if row.pk is None], ["market", "key"])
    PatternFinding.objects.bulk_create(
        [
            PatternFinding(
                pattern=row, scan=scan, is_confirmed=confirmation.is_confirmed,
                discovery=candidate.as_dict(), confirmation=confirmation.as_dict(),
            )
            for row, candidate, confirmation in zip(found, candidates, confirmations, strict=True)
        ],
        batch_size=BATCH,
    )  # fmt: skip
    _store_sightings(scan.market, rows, followed)
    return n_new, n_retired


def _upsert(rows: Sequence[Pattern], unique: list[str]) -> None:
    # An upsert, because bulk_update spells a CASE of every row for every field: seconds instead of one.
    Pattern.objects.bulk_create(
        rows, batch_size=BATCH, update_conflicts=True, unique_fields=unique, update_fields=CHANGED
    )


def _store_sightings(market: Market, rows: Sequence[Pattern], followed: dict[str, Later]) -> None:
    """Make the stored sightings of the patterns equal to those followed; unchanged rows are not written."""
    stored = {
        (row.pattern_id, row.bar_us): row for row in PatternSighting.objects.filter(pattern__market=market)
    }
    new, changed = [], []
    for pattern in rows:
        for bar_us, net, success in followed[pattern.key].sightings:
            row = stored.pop((pattern.pk, bar_us), None)
            if row is None:
                new.append(
                    PatternSighting(pattern=pattern, bar_us=bar_us, forward_return=net, is_success=success)
                )
            elif (row.forward_return, row.is_success) != (net, success):
                row.forward_return, row.is_success = net, success
                changed.append(row)
    gone = [row.pk for row in stored.values()]
    for start in range(0, len(gone), BATCH):
        PatternSighting.objects.filter(pk__in=gone[start : start + BATCH]).delete()
    PatternSighting.objects.bulk_update(changed, ["forward_return", "is_success"], batch_size=BATCH)
    PatternSighting.objects.bulk_create(new, batch_size=5 * BATCH)


def _renew(
    row: Pattern,
    candidate: PatternCandidate,
    confirmation: Confirmation,
    readable: Readable,
    split: Split,
    options: MiningOptions,
) -> None:
    """Give a pattern that is not confirmed yet the definition and evidence of this scan."""
    found = candidate.pattern
    bars = readable.before.bars
    judged = confirmation.record if confirmation.record.n_known else candidate.record
    row.window, row.word, row.horizon = found.shape.window, found.letters, found.horizon
    for name in REGIMES:
        setattr(row, f"{name}_regime", found.regime_name(name))
    row.direction, row.definition = found.direction, found.as_dict()
    row.discovery, row.confirmation = candidate.as_dict(), confirmation.as_dict()
    row.success_rate, row.average_return = judged.success_rate, judged.mean_net_return
    row.n_occurrences, row.q_value = candidate.record.n_known, candidate.q_value
    row.success_threshold = options.success_threshold
    row.later_from_us = int(bars.timestamps[split.validation.start])
    row.judged_from_us = int(bars.timestamps[split.validation.stop])
    row.state_reason = confirmation.reason or ""


def _drawn(candidate: PatternCandidate, readable: Readable, split: Split) -> JSONDict:
    path = template(readable.before.bars, candidate.pattern, split.train, features=readable.before)
    return path.as_dict() if path else {}


def _confirm(row: Pattern, scan: PatternScan) -> bool:
    """Mark a candidate as confirmed; False if it was confirmed or retired before."""
    if row.state != Pattern.State.CANDIDATE:
        return False
    row.state, row.state_reason = Pattern.State.CONFIRMED, CONFIRMED_REASON
    row.confirmed_by, row.confirmed_at = scan, timezone.now()
    return True


def _retire_by_rule(row: Pattern, later: Later, readable: Readable) -> bool:
    """Retire a confirmed pattern that earned nothing on bars that its confirmation had not seen."""
    if row.state != Pattern.State.CONFIRMED or later.since_confirmed is None:
        return False
    reason = retirement_reason(later.since_confirmed)
    if reason is None:
        return False
    row.state, row.state_reason = Pattern.State.RETIRED, f"On bars after its confirmation: {reason}"
    row.retired_at, row.retired_until_us = timezone.now(), readable.last_us
    return True


def _keep_retired_by_hand(market: Market, rows: Sequence[Pattern]) -> None:
    """Take over what a person has retired while the scan computed."""
    retired = Pattern.objects.filter(market=market, state=Pattern.State.RETIRED)
    by_key = {row.key: row for row in retired.only("key", "state", "state_reason", "retired_at")}
    for row in rows:
        if (hand := by_key.get(row.key)) and row.state != Pattern.State.RETIRED:
            row.state, row.state_reason, row.retired_at = hand.state, hand.state_reason, hand.retired_at
