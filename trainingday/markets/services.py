"""Writes of the markets app: datasets from bars or files, test windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now

from trainingday.access import audit
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.markets.calendars import find_gaps, guess_calendar
from trainingday.markets.hooks import dataset_stored
from trainingday.markets.importers.options import ImportLimits, ImportOptions
from trainingday.markets.importers.reader import read_file
from trainingday.markets.intervals import interval_seconds
from trainingday.markets.merging import merge_bars
from trainingday.markets.models import Dataset, Market, TestWindow
from trainingday.markets.quality import Finding, assess
from trainingday.markets.queries import query_bars, query_test_window
from trainingday.markets.splits import DEFAULT_GAP, MIN_TEST, plan_split, test_length
from trainingday.markets.storage import store_bars
from trainingday.typing import JSONDict

DUPLICATES = ("exact_duplicates_dropped", "duplicates_resolved")
NEW_WINDOW_SHARE = 0.5  # of a usual test window must be newer than the last window's end


@dataclass(frozen=True)
class LoadResult:
    """What a load did: the market, the dataset (new or the equal one that was there), and what is odd."""

    market: Market
    dataset: Dataset
    created: bool
    warnings: tuple[Finding, ...] = ()
    report: JSONDict = field(default_factory=dict)

    @property
    def status(self) -> int:
        return 201 if self.created else 200

    @property
    def code(self) -> str:
        """Return "already_imported", the first warning's code, or "ok"."""
        if not self.created:
            return "already_imported"
        return self.warnings[0].code if self.warnings else "ok"


def get_or_create_market(
    symbol: str, venue: str, interval: int, *, calendar: str, **fields: float
) -> tuple[Market, bool]:
    """Return the market of a series and whether it is new; checks the fields of a new one."""
    symbol, venue = _clean_name("symbol", symbol), _clean_name("venue", venue)
    return Market.objects.get_or_create(
        symbol=symbol, venue=venue, interval=interval, defaults={"calendar": calendar, **fields}
    )


@dataclass(frozen=True)
class Prepared:
    """Bars whose file is on disk and whose report is written; `store_prepared` adds the row."""

    market: Market
    bars: Bars
    sha256: str
    file: str
    warnings: tuple[Finding, ...]
    report: JSONDict


def load_bars(
    market: Market,
    bars: Bars,
    source: str,
    *,
    findings: Sequence[Finding] = (),
    report: JSONDict | None = None,
) -> LoadResult:
    """Store checked bars as the market's next dataset, or return the equal one that exists."""
    return store_prepared(prepare_bars(market, bars, findings=findings, report=report), source)


def prepare_bars(
    market: Market, bars: Bars, *, findings: Sequence[Finding] = (), report: JSONDict | None = None
) -> Prepared:
    """Write the bars' file and report on their quality.

    The file is on disk before its row: a crash between the two leaves a file without a row, which is
    harmless, never a row without a file.
    """
    bars = replace(bars, gap_before=find_gaps(bars.timestamps, market.interval, market.calendar))
    quality = assess(bars, market.interval, market.calendar)
    warnings = (*findings, *quality.findings())
    details = {
        **quality.as_dict(),
        "duplicates": sum(item.count for item in findings if item.code in DUPLICATES),
        **(report or {}),
        "warnings": [item.as_dict() for item in warnings],
    }
    sha256, file = store_bars(bars)
    return Prepared(market, bars, sha256, file, warnings, details)


def store_prepared(prepared: Prepared, source: str) -> LoadResult:
    """Add the row of the market's next dataset, or return the equal one that exists."""
    market, bars = prepared.market, prepared.bars
    warnings, details = prepared.warnings, prepared.report
    with transaction.atomic():
        Market.objects.select_for_update().get(pk=market.pk)  # versions are numbered one load at a time
        note_fetch(market)
        known = Dataset.objects.filter(market=market, sha256=prepared.sha256).first()
        if known is not None:
            return LoadResult(market, known, False, warnings, details)
        newest = Dataset.objects.filter(market=market).aggregate(newest=Max("version"))["newest"] or 0
        dataset = Dataset.objects.create(
            market=market,
            version=newest + 1,
            sha256=prepared.sha256,
            file=prepared.file,
            first_us=int(bars.timestamps[0]),
            last_us=int(bars.timestamps[-1]),
            n_rows=len(bars),
            quality=details,
            source=source[:300],
        )
        audit.record("import", dataset, details={"source": dataset.source, "bars": dataset.n_rows})
        dataset_stored.send(Dataset, dataset=dataset)
    return LoadResult(market, dataset, True, warnings, details)


def note_fetch(market: Market) -> None:
    """Record that the market's data were fetched now, whether or not they were new."""
    Market.objects.filter(pk=market.pk).update(fetched_at=Now())


def load_file(
    source: bytes | Path,
    filename: str,
    *,
    symbol: str,
    venue: str = "file",
    interval: str | int | None = None,
    calendar: str | None = None,
    options: ImportOptions | None = None,
    append: bool = False,
    limits: ImportLimits | None = None,
) -> LoadResult:
    """Import a market data file as the next dataset of its market, which is created where it is new.

    Parameters
    ----------
    source : bytes or Path
        The file's content, or where to read it.
    filename : str
        Its plain name; never used as a path.
    symbol, venue : str
        With the interval, the market.
    interval : str, int or None
        "1h" or seconds; None takes the file's own. A file with another interval is refused.
    calendar : str or None
        Of a new market; None guesses it from the hours in which bars exist.
    append : bool
        Add the bars to the market's newest dataset instead of replacing them.

    Raises
    ------
    ImportRefused
        With status, code and row; nothing was written.
    """
    limits = limits or upload_limits()
    if interval is not None:
        options = replace(options or ImportOptions(), interval=interval_seconds(interval))
    imported = read_file(_content(source, limits), filename, options or ImportOptions(), limits)
    seconds = imported.detected.interval
    calendar = calendar or guess_calendar(imported.bars.timestamps, seconds)
    report: JSONDict = {
        "detected": imported.detected.as_dict(),
        "quarantined": {"count": imported.n_quarantined, "rows": list(imported.quarantined)},
    }
    if options is not None and options.expected is not None:
        report["profile"] = options.expected.profile
    with transaction.atomic():
        market, _ = get_or_create_market(symbol, venue, seconds, calendar=calendar)
        keep = options.keep if options else None
        bars = append_bars(market, imported.bars, keep) if append else imported.bars
        return load_bars(market, bars, filename, findings=imported.warnings, report=report)


def upload_limits() -> ImportLimits:
    """Return the importer's limits with the site's own size limit."""
    return ImportLimits(max_bytes=getattr(settings, "TRAININGDAY_MAX_UPLOAD_BYTES", ImportLimits.max_bytes))


def _content(source: bytes | Path, limits: ImportLimits) -> bytes:
    """Return a file's bytes, one more than the limit at most."""
    if isinstance(source, bytes):
        return source
    with source.open("rb") as file:
        return file.read(limits.max_bytes + 1)


def append_bars(market: Market, added: Bars, keep: str | None) -> Bars:
    """Return the newest dataset's bars with the added ones; see `merge_bars`."""
    newest = Dataset.objects.filter(market=market).order_by("-version").first()
    return added if newest is None else merge_bars(query_bars(newest), added, keep)


def current_test_window(market: Market, dataset: Dataset, gap: int = DEFAULT_GAP) -> TestWindow:
    """Return the window that exams on this dataset are sat on, opening one where none fits.

    The first window is the last fifth of the bars. It stays when newer versions arrive: their newer bars
    are `forward`. Once the bars after its end number at least half of a usual window (and 250), they alone
    become the next window, wholly fresh, and the old one joins train and validation.

    Raises
    ------
    NotEnoughBars
        If no window fits the dataset.
    """
    bars = query_bars(dataset)
    stamps = bars.timestamps
    with transaction.atomic():
        Market.objects.select_for_update().get(pk=market.pk)
        last = query_test_window(market)
        if last is None:
            test = plan_split(len(bars), stamps, None, gap).test
            return _open_window(market, bars, test)
        test = slice(int(np.searchsorted(stamps, last.last_us, side="right")), len(bars))
        if test.stop - test.start >= bars_for_next_window(len(bars), gap):
            plan_split(len(bars), stamps, _Range(int(stamps[test.start]), int(stamps[-1])), gap)
            return _open_window(market, bars, test)
        plan_split(len(bars), stamps, last, gap)
        return last


def bars_for_next_window(n_bars: int, gap: int = DEFAULT_GAP) -> int:
    """Return how many bars after the last window's end open the next one."""
    return max(MIN_TEST, int(np.ceil(NEW_WINDOW_SHARE * test_length(n_bars, gap))))


@dataclass(frozen=True)
class _Range:
    first_us: int
    last_us: int


def _open_window(market: Market, bars: Bars, test: slice) -> TestWindow:
    first_us, last_us = int(bars.timestamps[test.start]), int(bars.timestamps[test.stop - 1])
    return TestWindow.objects.create(market=market, first_us=first_us, last_us=last_us)


def _clean_name(name: str, text: str) -> str:
    clean = text.strip()
    if not 1 <= len(clean) <= 40 or not clean.isprintable():
        raise InvalidArgument(f"{name} should be 1..40 printable characters, is {text[:60]!r}")
    return clean
