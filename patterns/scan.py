"""The pattern scan: mined on train, confirmed on validation, blind to the test window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import cast

from django.db.models.functions import Now

from patterns import book
from patterns.discovery.confirm import Confirmation, confirm
from patterns.discovery.mining import MiningResult, mine
from patterns.discovery.options import MiningOptions, Progress, Segments
from patterns.discovery.tracking import Record, recognition
from patterns.models import PatternScan
from patterns.options import scan_options
from patterns.tracking import Later, Readable
from trainingday.bars import Bars
from trainingday.markets.queries import query_bars
from trainingday.markets.services import current_test_window
from trainingday.markets.splits import Split, plan_split
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunState

# Shares of a scan that are done after mining, confirming and describing what was found.
MINED, CONFIRMED, DESCRIBED = 0.6, 0.75, 0.85


@dataclass(frozen=True)
class _Result:
    mined: MiningResult
    confirmations: Sequence[Confirmation]
    n_new: int
    n_retired: int
    records: Sequence[Record]

    @property
    def n_confirmed(self) -> int:
        return sum(each.is_confirmed for each in self.confirmations)

    def sentence(self) -> str:
        counted = (
            f"{self.mined.candidates_tested:,} candidates tested, {len(self.mined.found)} found, "
            f"{self.n_confirmed} confirmed on later bars, {self.n_new} of them new, {self.n_retired} retired."
        )
        return " ".join([counted, *([self.mined.reason] if self.mined.reason else []), *self.mined.notes])


def execute(context: RunContext) -> str:
    """Carry out a scan of its own; return what it came to in a sentence."""
    scan = cast(PatternScan, context.run)
    bars = query_bars(scan.dataset)
    window = current_test_window(scan.market, scan.dataset)
    split = plan_split(len(bars), bars.timestamps, window)
    context.stage("patterns", 0.0)
    return run_scan(context, scan, bars, split, span=(0.0, 1.0))


def run_scan(
    context: RunContext, scan: PatternScan, bars: Bars, split: Split, *, span: tuple[float, float]
) -> str:
    """Mine, confirm, follow and store; as part of a session the scan's row is written under the session's fence.

    Test bars are cut off before anything is computed. Everything is stored in one transaction, so that
    an attempt that died has stored nothing, and one that died later is not repeated.
    """
    if scan.n_tested is not None:
        return scan.summary
    options = scan_options(scan)
    readable = Readable.of(bars, split)
    report = _reporter(context, span)
    seen = readable.before.bars
    mined = mine(seen, Segments(split.train), options, _within(report, 0, MINED), features=readable.before)
    confirmations = confirm(
        mined.found,
        seen,
        split.validation,
        options,
        _within(report, MINED, CONFIRMED),
        features=readable.before,
    )
    known = book.known_patterns(scan.market)
    found = book.describe(
        scan,
        known,
        mined.found,
        confirmations,
        readable,
        split,
        options,
        _within(report, CONFIRMED, DESCRIBED),
    )
    rows = list({**known, **{row.key: row for row in found}}.values())
    followed = book.follow_all(rows, readable, options, _within(report, DESCRIBED, 1))
    with context.transaction():
        n_new, n_retired = book.store(scan, rows, found, followed, mined.found, confirmations, readable)
        result = _Result(mined, confirmations, n_new, n_retired, _out_of_sample(followed, options))
        _finish(scan, result)
        context.add_event("note", {"text": scan.summary})
    return scan.summary


def _reporter(context: RunContext, span: tuple[float, float]) -> Progress:
    def report(share: float, what: str) -> None:
        context.tick(span[0] + (span[1] - span[0]) * share, {"detail": f"patterns: {what}"})

    return report


def _within(report: Progress, low: float, high: float) -> Progress:
    return lambda share, what: report(low + (high - low) * share, what)


def _out_of_sample(followed: dict[str, Later], options: MiningOptions) -> list[Record]:
    """Return every known pattern's record since it was found; too few sightings recognise nothing."""
    records = [later.since_found for later in followed.values() if later.since_found is not None]
    return [
        record if record.n_known >= options.min_sightings else replace(record, success_rate=None)
        for record in records
    ]


def _finish(scan: PatternScan, result: _Result) -> None:
    scan.n_tested, scan.n_found = result.mined.candidates_tested, len(result.mined.found)
    scan.n_confirmed, scan.n_new, scan.n_retired = result.n_confirmed, result.n_new, result.n_retired
    scan.recognition = asdict(recognition(result.records))
    scan.summary = result.sentence()
    fields = ["n_tested", "n_found", "n_confirmed", "n_new", "n_retired", "recognition", "summary"]
    if scan.is_part:
        scan.state, scan.reason = RunState.SUCCEEDED, scan.summary
        scan.progress, scan.finished_at = 1.0, Now()
        fields += ["state", "reason", "progress", "finished_at"]
    scan.save(update_fields=fields)
