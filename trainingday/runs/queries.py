"""Reads about runs of every kind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone
from django_q.models import OrmQ

from trainingday.exceptions import NotFound
from trainingday.runs.kinds import all_kinds, get_kind
from trainingday.runs.models import ACTIVE, Run, RunEvent, RunState, WorkerHeartbeat

CANARY_SILENCE = timedelta(minutes=3)


def find_run(public_id: str) -> Run:
    """Return the run named like "session-12".

    Raises
    ------
    NotFound
        If the name is malformed or nothing has it.
    """
    kind_name, _, digits = public_id.rpartition("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise NotFound(f"no such run: {public_id}")
    run = (
        get_kind(kind_name)
        .model_class._default_manager.select_related("market")
        .filter(pk=int(digits))
        .first()
    )
    if run is None:
        raise NotFound(f"no such run: {public_id}")
    return run


def query_events(run: Run, since: int = 0) -> QuerySet[RunEvent]:
    return RunEvent.objects.filter(run_kind=run.kind, run_pk=run.pk, seq__gt=since).order_by("seq")


def active_runs() -> list[Run]:
    """Return every queued or running run, running first; one query for each kind."""
    runs = [
        run
        for kind in all_kinds()
        for run in kind.model_class._default_manager.filter(state__in=ACTIVE, is_part=False).select_related(
            "market"
        )
    ]
    return sorted(runs, key=lambda run: (run.state != RunState.RUNNING, run.created_at))


def failed_runs(limit: int = 5) -> list[Run]:
    runs = [
        run
        for kind in all_kinds()
        for run in kind.model_class._default_manager.filter(
            state=RunState.FAILED, is_part=False
        ).select_related("market")[:limit]
    ]
    return sorted(runs, key=lambda run: run.created_at, reverse=True)[:limit]


def running_names() -> set[str]:
    """Return public id and fence of every running run, as its scratch folder is called."""
    return {
        f"{kind.name}-{pk}-{fence}"
        for kind in all_kinds()
        for pk, fence in kind.model_class._default_manager.filter(state=RunState.RUNNING).values_list(
            "pk", "fence"
        )
    }


def worker_health() -> list[dict[str, Any]]:
    """Return each cluster with the age of its last heartbeat; silent ones are marked."""
    now = timezone.now()
    return [
        {
            "host": beat.host,
            "cluster": beat.cluster,
            "seen_at": beat.seen_at,
            "age_seconds": (now - beat.seen_at).total_seconds(),
            "is_silent": now - beat.seen_at > CANARY_SILENCE,
        }
        for beat in WorkerHeartbeat.objects.order_by("host", "cluster")
    ]


def waiting_messages() -> dict[str, int]:
    """Return how many messages wait for each cluster's workers, by the cluster's name."""
    waiting = OrmQ.objects.order_by("key").values("key").annotate(n=Count("pk")).values_list("key", "n")
    return dict(waiting)


def snapshot(run: Run) -> dict[str, Any]:
    """Return what a live page needs to know of a run."""
    return {
        "id": run.public_id,
        "state": run.state,
        "stage": run.stage,
        "progress": run.progress,
        "reason": run.reason,
        "attempts": run.attempts,
        "is_cancel_requested": run.is_cancel_requested,
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }
