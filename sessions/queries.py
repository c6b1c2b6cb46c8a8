"""Reads of sessions, trials, models and the home page; each page costs the same queries however long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Count, F, FilteredRelation, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from sessions.models import ModelVersion, SessionReplay, TrainingSession, Trial
from strategies.ledger import exams_left_of, with_exams_left
from strategies.models import Champion, ForwardRecord
from trainingday.display import is_defined
from trainingday.exceptions import NotFound
from trainingday.markets.models import Market
from trainingday.runs.models import ACTIVE, RunState, TrainingSchedule
from trainingday.runs.progress import RunLine, RunProgress, query_run_lines, read_progress
from trainingday.runs.queries import worker_health
from trainingday.stats.criteria_overview import CriterionOverview, overview
from trainingday.typing import JSONDict

STAGES = ("patterns", "baseline", "tournament", "search", "training", "evidence", "record")
MAX_REPLAYS = 5
FAILURES_SHOWN_FOR = timedelta(days=7)
N_MEASURED = 500  # sessions whose criteria the home page sums up


def query_sessions() -> QuerySet[TrainingSession]:
    """Return sessions with what their list shows: trials done and the best validation Sharpe so far."""
    done = Trial.objects.filter(session=OuterRef("pk")).exclude(state=Trial.State.WAITING)
    counted = done.order_by().values("session").annotate(n=Count("pk")).values("n")
    rows = TrainingSession.objects.select_related("market", "dataset", "requested_by", "look")
    return rows.annotate(n_trials_done=Coalesce(Subquery(counted), 0))


def current_best(market: Market) -> ModelVersion | None:
    """Return the model that is the market's champion, None where there is none or it is no model."""
    reigning = ModelVersion.objects.filter(market=market, stage=ModelVersion.Stage.CHAMPION)
    return reigning.select_related("strategy", "selection_strategy").first()


def trial_scores(sessions: Iterable[TrainingSession]) -> dict[int, list[float]]:
    """Return the scores of each session's trials in order, for sparklines; one query."""
    rows = Trial.objects.filter(session__in=[session.pk for session in sessions], score__isnull=False)
    scores: dict[int, list[float]] = {}
    for pk, score in rows.order_by("session_id", "index").values_list("session_id", "score"):
        if score is not None:
            scores.setdefault(pk, []).append(score)
    return scores


def query_models() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.select_related(
        "market", "session__look", "parent", "strategy", "selection_strategy", "dataset"
    )


def later_record(model: ModelVersion) -> ForwardRecord | None:
    """Return what a model did on bars that came later: as champion, else as a rejected challenger."""
    records = ForwardRecord.objects.filter(strategy=model.strategy_id).select_related("look")
    return records.order_by(F("reign").desc(nulls_last=True), "-pk").first()


@dataclass(frozen=True)
class SessionPage:
    """Everything that the page of one session shows."""

    session: TrainingSession
    live: RunProgress
    trials: Sequence[Trial]
    models: Sequence[ModelVersion]
    replays: Sequence[SessionReplay]

    @cached_property
    def stages(self) -> list[tuple[str, str]]:
        """Return each stage with "done", "now", "stopped" or "later"."""
        session = self.session
        if session.state == RunState.SUCCEEDED:
            return [(name, "done") for name in STAGES]
        place = STAGES.index(session.stage) if session.stage in STAGES else -1
        here = "now" if session.state in ACTIVE else "stopped"
        marks = [here if i == place else "done" if i < place else "later" for i in range(len(STAGES))]
        return list(zip(STAGES, marks, strict=True))

    @cached_property
    def n_trials(self) -> int | None:
        value = self.session.configuration.get("n_trials")
        return value if isinstance(value, int) else None

    @cached_property
    def n_done(self) -> int:
        return sum(trial.state != Trial.State.WAITING for trial in self.trials)

    @cached_property
    def best(self) -> Trial | None:
        scored = [t for t in self.trials if t.state == Trial.State.COMPLETE and t.score is not None]
        return max(scored, key=lambda trial: (trial.score or 0.0, -trial.index), default=None)

    @cached_property
    def candidate(self) -> ModelVersion | None:
        """Return the model that the session trained to be examined, None until there is one."""
        return next((model for model in self.models if model.stage != ModelVersion.Stage.BASELINE), None)

    @cached_property
    def found(self) -> JSONDict | None:
        """Return the primary keys of what the session started from."""
        found = self.session.configuration.get("found")
        return found if isinstance(found, dict) else None

    @cached_property
    def settings(self) -> list[tuple[str, Any]]:
        """Return the configuration snapshot, but what other lines show."""
        shown = {"preset", "found"}
        return [(key, value) for key, value in self.session.configuration.items() if key not in shown]

    @cached_property
    def gate(self) -> JSONDict | None:
        gate = self.session.report.get("gate")
        return gate if isinstance(gate, dict) else None

    @cached_property
    def criteria(self) -> list[JSONDict]:
        return self._rows("criteria")

    @cached_property
    def diagnostics(self) -> list[JSONDict]:
        return self._rows("diagnostics")

    def _rows(self, part: str) -> list[JSONDict]:
        found = self.session.report.get(part)
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []

    @cached_property
    def leaderboard(self) -> list[JSONDict]:
        """Return the tournament's rows: the report's once it is written, the newest event's before."""
        tournament = self.session.report.get("tournament")
        names = ("rows", "leaderboard", "entries")
        written = tournament if isinstance(tournament, dict) else {}
        rows: Any = next((written[name] for name in names if written.get(name)), None)
        if not rows and (events := self.live.payloads("leaderboard")):
            rows = events[-1].get("rows") or events[-1].get("entries")
        return [row for row in rows or [] if isinstance(row, dict)]

    @cached_property
    def split(self) -> list[JSONDict]:
        """Return the segments in order with their share of all bars, for the split bar."""
        split = self.session.report.get("split")
        if not isinstance(split, dict):
            return []
        named = [(name, split.get(name)) for name in ("train", "validation", "test")]
        rows = [(name, row) for name, row in named if isinstance(row, list | tuple) and len(row) == 3]
        total = sum(row[2] for _, row in rows if is_defined(row[2])) or 1
        start = 0.0
        segments = []
        for name, (first, last, n_bars) in rows:
            width = 1000 * (n_bars or 0) / total
            segments.append(
                {
                    "name": name,
                    "first": first,
                    "last": last,
                    "n": n_bars,
                    "x": round(start, 1),
                    "width": round(width, 1),
                }
            )
            start += width
        return segments


def session_page(session: TrainingSession) -> SessionPage:
    """Return a session's page; five queries beside the session's own."""
    # Events first: a trial that commits in between is on the page and comes again, and is then the same row.
    live = read_progress(session)
    trials = list(Trial.objects.filter(session=session).order_by("index"))
    models = list(query_models().filter(session=session).order_by("number"))
    replays = list(SessionReplay.objects.filter(original=session)[:MAX_REPLAYS])
    return SessionPage(session, live, trials, models, replays)


def query_session(pk: int) -> TrainingSession:
    """Return a session by its number, or raise NotFound."""
    session = find_session(pk)
    if session is None:
        raise NotFound(f"there is no training session {pk}")
    return session


def find_session(pk: int) -> TrainingSession | None:
    """Return a session with all that its page follows, or None."""
    related = ("market", "dataset", "requested_by", "scan", "tournament__winner", "look__test_window")
    return TrainingSession.objects.select_related(*related).filter(pk=pk).first()


class LastSession(NamedTuple):
    """What the home page says of a market's newest session."""

    pk: int
    state: str
    verdict: str
    created_at: datetime


@dataclass(frozen=True)
class MarketLine:
    """A market on the home page: its champion, its exams, its last session."""

    market: Market
    champion: Champion | None
    exams_left: int | None
    last_session: LastSession | None


@dataclass(frozen=True)
class Home:
    running: list[RunLine]
    queued: list[RunLine]
    failed: list[RunLine]
    schedules: list[tuple[TrainingSchedule, bool]]
    workers: list[dict[str, Any]]
    markets: list[MarketLine]
    criteria: list[CriterionOverview]
    n_measured: int

    @property
    def is_empty(self) -> bool:
        return not self.markets


def active_lines() -> tuple[list[RunLine], list[RunLine]]:
    """Return the running and the queued runs, in the order in which they came; one query."""
    lines = query_run_lines([*ACTIVE])[::-1]
    running = [line for line in lines if line.state == RunState.RUNNING]
    return running, [line for line in lines if line.state == RunState.QUEUED]


def home_page() -> Home:
    """Return the home page; five queries."""
    now = timezone.now()
    measured = _measured_criteria()
    lines = query_run_lines([*ACTIVE, RunState.FAILED], now - FAILURES_SHOWN_FOR)
    by_age = lines[::-1]
    return Home(
        running=[line for line in by_age if line.state == RunState.RUNNING],
        queued=[line for line in by_age if line.state == RunState.QUEUED],
        failed=[line for line in lines if line.state == RunState.FAILED][:5],
        schedules=[(schedule, schedule.is_late(now)) for schedule in _next_schedules()],
        workers=worker_health(),
        markets=_market_lines(),
        criteria=overview(measured),
        n_measured=len(measured),
    )


def _next_schedules() -> QuerySet[TrainingSchedule]:
    planned = TrainingSchedule.objects.filter(is_enabled=True, next_run_at__isnull=False)
    return planned.select_related("market").order_by("next_run_at")[:5]


def _measured_criteria() -> list[tuple[int, list[JSONDict]]]:
    """Return (market, criteria) of the newest sessions that measured them; one query."""
    ended = TrainingSession.objects.filter(report__has_key="criteria").order_by("-pk")
    return list(ended.values_list("market_id", "report__criteria")[:N_MEASURED])


def _market_lines() -> list[MarketLine]:
    newest_session = TrainingSession.objects.filter(market=OuterRef("pk"), is_part=False).order_by("-pk")
    fields = LastSession._fields
    last = {f"last_{name}": Subquery(newest_session.values(name)[:1]) for name in fields}
    reign = FilteredRelation("champions", condition=Q(champions__until__isnull=True))
    markets = (
        with_exams_left(Market.objects.with_bars())
        .annotate(**last, reign=reign)  # one at most, by constraint
        .select_related("reign__strategy", "reign__look", "reign__record")
    )
    return [
        MarketLine(
            market,
            getattr(market, "reign", None),
            exams_left_of(market),
            LastSession(*(getattr(market, f"last_{name}") for name in fields)) if market.last_pk else None,
        )
        for market in markets
    ]
