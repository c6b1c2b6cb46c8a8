"""What a live page of a run shows from its events, and the runs of every kind as short lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery, Value
from django.utils import timezone

from trainingday.kept_sql import KeptSql
from trainingday.runs.kinds import RunKind, all_kinds
from trainingday.runs.models import ACTIVE, Run, RunEvent, RunState
from trainingday.typing import JSONDict

LOG_KINDS = frozenset({"attempt", "stage", "note", "verdict", "finished", "generation"})
MAX_LOG = 200
FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RunProgress:
    """A run's events, read at one moment: the socket goes on after `last_seq` and nothing falls between."""

    run: Run
    events: tuple[RunEvent, ...]

    @cached_property
    def last_seq(self) -> int:
        return max((event.seq for event in self.events), default=0)

    def payloads(self, kind: str) -> list[JSONDict]:
        return [event.payload for event in self.events if event.kind == kind]

    @cached_property
    def eta_at(self) -> datetime | None:
        """Return when the run expects to end, as of its newest estimate."""
        for event in reversed(self.events):
            seconds = event.payload.get("eta_seconds")
            if isinstance(seconds, int | float):
                return event.created_at + timedelta(seconds=seconds)
        return None

    @cached_property
    def eta_seconds(self) -> float | None:
        if self.eta_at is None or self.run.state != RunState.RUNNING:
            return None
        return max(0.0, (self.eta_at - timezone.now()).total_seconds())

    @cached_property
    def detail(self) -> str:
        newest = self.payloads("progress")[-1:]
        return str(newest[0].get("detail", "")) if newest else ""

    @cached_property
    def log(self) -> list[tuple[RunEvent, str]]:
        """Return the newest events worth reading, each with its sentence."""
        lines = [event for event in self.events if event.kind in LOG_KINDS]
        return [(event, sentence(event.kind, event.payload)) for event in lines[-MAX_LOG:]]

    @cached_property
    def elapsed_seconds(self) -> float | None:
        if self.run.started_at is None:
            return None
        return ((self.run.finished_at or timezone.now()) - self.run.started_at).total_seconds()


def read_progress(run: Run) -> RunProgress:
    """Return the run's events, of the many progress events only the newest; one query."""
    events = RunEvent.objects.filter(run_kind=run.kind, run_pk=run.pk)
    own = RunEvent.objects.filter(run_kind=OuterRef("run_kind"), run_pk=OuterRef("run_pk"), kind="progress")
    newest = own.values("run_pk").annotate(newest=Max("seq")).values("newest")
    wanted = events.filter(~Q(kind="progress") | Q(seq=Subquery(newest))).order_by("seq")
    return RunProgress(run, tuple(wanted))


def sentence(kind: str, payload: JSONDict) -> str:
    """Return an event as a line of the log; static/js/live.js says the same of what arrives later."""
    if kind == "attempt":
        after = f", after {payload['after']}" if payload.get("after") else ""
        return f"A worker took the run (attempt {payload.get('fence', '?')}){after}."
    if kind == "stage":
        return f"Stage: {payload.get('stage', '?')}"
    if kind == "generation":
        return f"Generation {payload.get('generation', '?')} was scored."
    if kind == "verdict":
        return f"{str(payload.get('verdict', '?')).replace('_', ' ')}: {payload.get('reason', '')}"
    if kind == "finished":
        return f"{payload.get('state', '?')}. {payload.get('reason', '')}".strip()
    return str(payload.get("text", ""))


class RunLine(NamedTuple):
    """A run of any kind, as lists show it."""

    kind: str
    pk: int
    market: str
    state: str
    stage: str
    progress: float
    reason: str
    trigger: str
    worker: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    lease_until: datetime | None

    @property
    def lease_seconds(self) -> float | None:
        """Seconds until another worker may take a running run over; negative once it may."""
        if self.lease_until is None or self.state != RunState.RUNNING:
            return None
        return (self.lease_until - timezone.now()).total_seconds()

    @property
    def public_id(self) -> str:
        return f"{self.kind}-{self.pk}"

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def eta_seconds(self) -> float | None:
        return eta_seconds(self.state, self.progress, self.started_at)


def eta_seconds(state: str, progress: float, started_at: datetime | None) -> float | None:
    """Return the seconds left of a running run if the rest goes as fast as what is done."""
    if started_at is None or progress <= 0.02 or state != RunState.RUNNING:
        return None
    elapsed = (timezone.now() - started_at).total_seconds()
    return float(elapsed * (1 - progress) / progress)


def query_run_lines(states: Iterable[str], since: datetime | None = None, limit: int = 50) -> list[RunLine]:
    """Return the newest runs of every kind in these states; one query however many kinds there are.

    `since` leaves out runs that finished before it; active runs always stay.
    """
    kinds = tuple(all_kinds())
    if not kinds:
        return []
    newest = _newest_lines(kinds, tuple(states), limit)
    first = connection.ops.adapt_datetimefield_value(since or FIRST_MOMENT)
    return [RunLine(*row) for row in newest.rows(first)]


@lru_cache(maxsize=32)
def _newest_lines(kinds: tuple[RunKind, ...], states: tuple[str, ...], limit: int) -> KeptSql:
    """Return the query of `query_run_lines`, which names every column of every kind."""
    wanted = Q(state__in=states, is_part=False)
    wanted &= Q(finished_at__isnull=True) | Q(finished_at__gte=FIRST_MOMENT)
    querysets = [_lines(kind.name, kind.model_class._default_manager.filter(wanted)) for kind in kinds]
    rows = querysets[0].union(*querysets[1:], all=True).order_by("-created_at")[:limit]
    return KeptSql(rows, connection.ops.adapt_datetimefield_value(FIRST_MOMENT))


def query_named_lines(public_ids: Iterable[str]) -> dict[str, RunLine]:
    """Return the runs of these names, whatever their kinds; one query, none where there is no name."""
    pks: dict[str, list[int]] = {}
    for kind, _, pk in (name.rpartition("-") for name in public_ids):
        pks.setdefault(kind, []).append(int(pk))
    querysets = [
        _lines(kind.name, kind.model_class._default_manager.filter(pk__in=pks[kind.name]))
        for kind in all_kinds()
        if kind.name in pks
    ]
    if not querysets:
        return {}
    lines = (RunLine(*row) for row in querysets[0].union(*querysets[1:], all=True))
    return {line.public_id: line for line in lines}


def _lines(kind: str, runs: QuerySet[Any]) -> QuerySet[Any, tuple[Any, ...]]:
    fields = ["state", "stage", "progress", "reason", "trigger", "worker"]
    times = ["created_at", "started_at", "finished_at", "lease_until"]
    named = runs.order_by().annotate(kind_name=Value(kind))
    rows: QuerySet[Any, tuple[Any, ...]] = named.values_list(
        "kind_name", "pk", "market__slug", *fields, *times
    )
    return rows
