"""Retention of events: those of runs that ended long ago go; of active runs none ever does."""

from __future__ import annotations

import time
from datetime import timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from trainingday.runs.kinds import all_kinds
from trainingday.runs.models import TERMINAL, RunEvent

BATCH = 5000
SECONDS_BETWEEN = 3600.0
log = structlog.get_logger(__name__)
_dropped_at = float("-inf")


def drop_hourly() -> None:
    """Drop old events when this worker process has not within the hour."""
    global _dropped_at
    if time.monotonic() - _dropped_at >= SECONDS_BETWEEN:
        _dropped_at = time.monotonic()
        drop_old_events()


def drop_old_events() -> int:
    """Delete the events of runs that ended more than TRAININGDAY_EVENT_DAYS ago; return how many.

    0 days keeps all. What a run found is in rows of its own and stays.
    """
    if not settings.TRAININGDAY_EVENT_DAYS:
        return 0
    limit = timezone.now() - timedelta(days=settings.TRAININGDAY_EVENT_DAYS)
    n_dropped = 0
    for kind in all_kinds():
        ended = kind.model_class._default_manager.filter(state__in=TERMINAL, finished_at__lt=limit)
        old = RunEvent.objects.filter(run_kind=kind.name, run_pk__in=ended.values("pk")).order_by()
        # In small transactions, so that no running run waits long for its own events.
        while batch := list(old.values_list("pk", flat=True)[:BATCH]):
            n_dropped += RunEvent.objects.filter(pk__in=batch).delete()[0]
    if n_dropped:
        log.info("old events dropped", n_events=n_dropped, before=limit.isoformat())
    return n_dropped
