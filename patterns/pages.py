"""What the pages of patterns show, gathered in one object each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from patterns import queries
from patterns.charts import occurrences_chart, recognition_chart, rolling_chart, template_chart
from patterns.forms import RetireForm
from patterns.models import Pattern, PatternScan, PatternSighting
from trainingday.charts import Chart
from trainingday.exceptions import TrainingDayError
from trainingday.markets.models import moment
from trainingday.typing import JSONDict

SIGHTINGS_SHOWN = 200


@dataclass(frozen=True)
class RecordLine:
    """A pattern's record on some bars, beside how it differs from the record on train.

    Attributes
    ----------
    segment : the colour of its bars: "train", "validation" or "later".
    decay : success rate and mean net return minus those on train; empty for train itself.
    """

    segment: str
    name: str
    record: JSONDict
    decay: JSONDict


@dataclass(frozen=True)
class HistoryLine:
    """Something that happened to a pattern, and why."""

    at: datetime
    what: str
    why: str
    scan: PatternScan | None


class PatternPage:
    """One pattern with its evidence, its sightings and its history."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self._sightings = queries.query_sightings_of(pattern)
        self.retire_form = RetireForm()
        self.why_not_drawn = "" if self._sightings else "Not seen since it was found."
        try:
            self._drawn = queries.occurrences_on_price(pattern, self._sightings)
        except TrainingDayError as error:  # its evidence can be read although its bars cannot
            self._drawn, self.why_not_drawn = queries.NOTHING_DRAWN, f"Not drawn: {error}"

    @property
    def records(self) -> list[RecordLine]:
        """Return the records in the order of time; later ones only where there are bars for them."""
        tracking = self.pattern.tracking
        lines = [
            RecordLine("train", "train", self.pattern.discovery, {}),
            RecordLine("validation", "validation", self.pattern.confirmation, {}),
            RecordLine(
                "later", "all since discovery", tracking.get("since_found") or {}, tracking.get("decay") or {}
            ),
            RecordLine(
                "later",
                "since confirmation" if self.pattern.confirmed_at else "after validation",
                tracking.get("since_confirmed") or {},
                tracking.get("decay_since_confirmed") or {},
            ),
        ]
        return [line for line in lines if line.record]

    @property
    def template_chart(self) -> Chart:
        return template_chart(self.pattern.template, self._drawn["paths"])

    @property
    def n_paths(self) -> int:
        return len(self._drawn["paths"])

    @property
    def occurrences_chart(self) -> Chart:
        return occurrences_chart(self._drawn)

    @property
    def rolling_chart(self) -> Chart:
        later = self.pattern.tracking.get("since_found") or self.pattern.confirmation
        return rolling_chart(self._sightings, later.get("base_rate"))

    @property
    def sightings(self) -> list[tuple[datetime, PatternSighting]]:
        """Return the newest sightings, the newest first."""
        return [(moment(row.bar_us), row) for row in self._sightings[::-1][:SIGHTINGS_SHOWN]]

    @property
    def n_sightings(self) -> int:
        return len(self._sightings)

    @property
    def history(self) -> list[HistoryLine]:
        """Return what each scan that found it said, and when it was retired, the newest first."""
        lines = []
        for finding in queries.query_findings(self.pattern):
            measured = finding.confirmation
            why = measured.get("reason") or (
                f"q {measured['q_value']:.2g} on validation, paid after costs."
                if measured.get("q_value") is not None
                else ""
            )
            what = "found and confirmed" if finding.is_confirmed else "found"
            lines.append(HistoryLine(finding.created_at, what, why, finding.scan))
        if self.pattern.retired_at:
            lines.append(HistoryLine(self.pattern.retired_at, "retired", self.pattern.state_reason, None))
        return sorted(lines, key=lambda line: line.at, reverse=True)


class RecognitionPanel:
    """How many patterns of a market hold up out of sample, now and after each scan before."""

    def __init__(self, newest: PatternScan) -> None:
        self.newest = newest
        self._scans = queries.recognition_over_time(newest.market)

    @property
    def n_scans(self) -> int:
        return len(self._scans)

    @property
    def chart(self) -> Chart:
        return recognition_chart(self._scans)
