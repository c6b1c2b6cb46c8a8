"""What django-q2 may call: chores of the default cluster, each minute."""

from __future__ import annotations

import socket

from django.db.models.functions import Now
from django_q.conf import Conf
from django_q.tasks import async_task

from trainingday.runs import schedules, services
from trainingday.runs.chores import run_chores
from trainingday.runs.models import WorkerHeartbeat


def chores() -> None:
    """Beat, reap, start what is due, do what apps registered, and ask the long cluster for its own beat."""
    heartbeat()
    services.reap()
    schedules.fire_due()
    run_chores()
    async_task("trainingday.runs.tasks.heartbeat", cluster="long", task_name="heartbeat")


def heartbeat() -> None:
    """Record that this cluster of this host runs tasks."""
    WorkerHeartbeat.objects.update_or_create(
        host=socket.gethostname(), cluster=Conf.CLUSTER_NAME, defaults={"seen_at": Now()}
    )
