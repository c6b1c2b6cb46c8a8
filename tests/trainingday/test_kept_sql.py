"""Kept SQL gives the rows that its query gives, whatever the parameters, also from another thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import Q, QuerySet, Value
from django.utils import timezone

from tests import pages
from tests.history import make_history
from trainingday.kept_sql import KeptSql
from trainingday.runs.kinds import all_kinds
from trainingday.runs.models import ACTIVE, RunState
from trainingday.runs.progress import RunLine, query_run_lines

MARK = datetime(1970, 1, 1, tzinfo=UTC)
STATES = ([*ACTIVE], [RunState.FAILED], [*ACTIVE, RunState.FAILED], [RunState.SUCCEEDED])


@pytest.fixture
def moments(db: None) -> list[datetime]:
    """Fill the database and return the moments at which runs finished, with some between."""
    make_history(n_sessions=20, n_trials=1, n_bars=1500)
    ended = sorted(
        pages.TrainingSession.objects.exclude(finished_at=None).values_list("finished_at", flat=True)
    )
    return [*ended[::4], ended[0] - timedelta(days=1), timezone.now()]


def direct(states: Any, since: datetime | None, limit: int) -> list[RunLine]:
    """Return what `query_run_lines` promises, one kind after another and in Python."""
    lines = []
    for kind in all_kinds():
        for run in kind.model_class._default_manager.filter(state__in=states, is_part=False):
            if since is None or run.finished_at is None or run.finished_at >= since:
                fields = (getattr(run, name) for name in RunLine._fields[3:])
                lines.append(RunLine(kind.name, run.pk, run.market.slug if run.market else None, *fields))
    return sorted(lines, key=lambda line: line.created_at, reverse=True)[:limit]


@pytest.mark.parametrize("states", STATES)
def test_the_newest_runs_are_those_of_every_kind_together(states: Any, moments: list[datetime]) -> None:
    for since in (None, *moments):
        for limit in (3, 50):
            lines, wanted = query_run_lines(states, since, limit), direct(states, since, limit)
            assert [line.created_at for line in lines] == [line.created_at for line in wanted]
            if limit == 50:
                assert set(lines) == set(wanted)
    assert any(direct(states, None, 3) for states in STATES)


def test_each_call_gives_its_own_parameters(moments: list[datetime]) -> None:
    def ended_since(since: datetime) -> QuerySet[Any, tuple[Any, ...]]:
        rows = pages.TrainingSession.objects.filter(Q(finished_at__gte=since)).annotate(word=Value("a word"))
        return rows.order_by("pk").values_list("pk", "word", "finished_at", "configuration", "market__slug")

    adapt = connection.ops.adapt_datetimefield_value
    kept = KeptSql(ended_since(MARK), adapt(MARK))
    for since in moments:
        assert [tuple(row) for row in kept.rows(adapt(since))] == list(ended_since(since))


@pytest.mark.django_db(transaction=True)
def test_another_thread_asks_over_its_own_connection() -> None:
    make_history(n_sessions=20, n_trials=1, n_bars=1500)

    def ask() -> list[RunLine]:
        try:
            return query_run_lines([RunState.SUCCEEDED])
        finally:
            connections.close_all()

    here = query_run_lines([RunState.SUCCEEDED])
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(ask).result() == here
    assert here
