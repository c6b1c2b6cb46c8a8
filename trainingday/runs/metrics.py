"""Prometheus metrics: requests from django-prometheus, and what runs and workers are doing."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest, HttpResponse

from trainingday.permissions import may_administer
from trainingday.runs.kinds import all_kinds
from trainingday.runs.models import RunState
from trainingday.runs.queries import waiting_messages, worker_health


def may_scrape(request: HttpRequest) -> bool:
    """Return whether the request is an admin's, or bears TRAININGDAY_METRICS_TOKEN."""
    wanted = settings.TRAININGDAY_METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    if wanted and hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode()):
        return True
    return may_administer(request.user)


def render_metrics() -> HttpResponse:
    """Return all metrics of this process and of the database, in Prometheus's text form."""
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

    own = CollectorRegistry()
    own.register(_Runs())
    return HttpResponse(generate_latest(REGISTRY) + generate_latest(own), content_type=CONTENT_TYPE_LATEST)


class _Runs:
    """Reads runs, queue and workers at each scrape."""

    def collect(self) -> Iterator[Any]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        runs = GaugeMetricFamily("trainingday_runs", "Runs by kind and state.", labels=["kind", "state"])
        for kind in all_kinds():
            rows = kind.model_class._default_manager.filter(is_part=False).order_by()
            counts = dict(rows.values("state").annotate(n=Count("pk")).values_list("state", "n"))
            for state in RunState.values:
                runs.add_metric([kind.name, state], counts.get(state, 0))
        yield runs
        queue = GaugeMetricFamily(
            "trainingday_queue_messages", "Messages that wait for a worker.", labels=["cluster"]
        )
        for cluster, n_waiting in waiting_messages().items():
            queue.add_metric([cluster], n_waiting)
        yield queue
        age = GaugeMetricFamily(
            "trainingday_worker_heartbeat_age_seconds",
            "Seconds since a cluster of a host last ran a task.",
            labels=["host", "cluster"],
        )
        for beat in worker_health():
            age.add_metric([beat["host"], beat["cluster"]], beat["age_seconds"])
        yield age
