"""State changes of runs: request, claim, renew, cancel, finish, reap. The row is the truth."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import timedelta
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils.module_loading import import_string
from django_q.tasks import async_task

from trainingday.access import audit
from trainingday.exceptions import NotFound, StateConflict
from trainingday.runs.kinds import all_kinds, get_kind
from trainingday.runs.models import ACTIVE, Run, RunState
from trainingday.runs.wake import wake

LEASE = timedelta(seconds=60)
# How long a message is given before another is sent: a queued run may wait for a free worker, while one
# whose lease has expired has lost its worker for sure.
NUDGE_QUEUED_AFTER = timedelta(minutes=2)
NUDGE_EXPIRED_AFTER = timedelta(seconds=20)
MAX_ATTEMPTS = 3

AnyRun = TypeVar("AnyRun", bound=Run)


def new_seed() -> int:
    """Return a random seed that fits every library's range."""
    return secrets.randbelow(2**31)


def request_run(run: AnyRun) -> AnyRun:
    """Store a new run and queue it; the same idempotency key returns the run that has it.

    Raises
    ------
    StateConflict
        If another run of its kind is active for the market.
    """
    model = type(run)
    if run.idempotency_key:
        same = model._default_manager.filter(
            requested_by=run.requested_by, idempotency_key=run.idempotency_key
        )
        if existing := same.first():
            return existing
    try:
        with transaction.atomic():
            run.save(force_insert=True)
            details = {"market": run.market.slug, "trigger": run.trigger, "seed": run.seed}
            audit.record("start", run, actor=run.requested_by, details=details)
            # The run is stored: if it cannot be nudged now, the reaper does.
            transaction.on_commit(lambda: nudge(run), robust=True)
    except IntegrityError as error:
        active = model._default_manager.filter(
            market_id=run.market_id, state__in=ACTIVE, is_part=False
        ).first()
        if active is None:
            raise
        raise StateConflict(
            f"a {get_kind(run.kind).title} is already running for this market: {active.public_id}"
        ) from error
    return run


def nudge(run: Run) -> None:
    """Tell the long cluster that a run waits; delivering it twice does no harm."""
    type(run)._default_manager.filter(pk=run.pk).update(nudged_at=Now())
    async_task(get_kind(run.kind).supervise, run.pk, cluster="long", task_name=run.public_id)


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def claim(kind: str, pk: int) -> int | None:
    """Return a new fence if the run could be claimed, None if it is done, held by another, or exhausted."""
    runs = get_kind(kind).model_class._default_manager.filter(pk=pk)
    claimable = Q(state=RunState.QUEUED) | Q(state=RunState.RUNNING, lease_until__lt=Now())
    with transaction.atomic():
        n_claimed = runs.filter(claimable, attempts__lt=MAX_ATTEMPTS, is_part=False).update(
            state=RunState.RUNNING,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            lease_until=Now() + LEASE,
            started_at=Coalesce("started_at", Now()),
            worker=worker_name(),
        )
        wake()
        return runs.values_list("fence", flat=True).get() if n_claimed else None


def postpone(kind: str, pk: int, reason: str) -> None:
    """Say why a queued run does not start yet; the reaper asks for it again."""
    get_kind(kind).model_class._default_manager.filter(pk=pk, state=RunState.QUEUED).update(reason=reason)


def renew(kind: str, pk: int, fence: int) -> bool:
    """Extend the lease; False means that the claim is lost."""
    return bool(_held(kind, pk, fence).update(lease_until=Now() + LEASE))


def release(kind: str, pk: int, fence: int, reason: str) -> None:
    """Put a run whose child died back in the queue, or fail it when its attempts are spent."""
    held = _held(kind, pk, fence)
    if held.filter(is_cancel_requested=True).update(
        state=RunState.CANCELLED, finished_at=Now(), reason="cancelled"
    ):
        return
    spent = f"died {MAX_ATTEMPTS} times; last: {reason}"
    if held.filter(attempts__gte=MAX_ATTEMPTS).update(state=RunState.FAILED, finished_at=Now(), reason=spent):
        return
    if held.update(state=RunState.QUEUED, lease_until=None, reason=reason):
        nudge(get_run(kind, pk))


def fail(kind: str, pk: int, fence: int, reason: str) -> bool:
    """End a run for good with its reason; False if the claim is lost."""
    return bool(_held(kind, pk, fence).update(state=RunState.FAILED, finished_at=Now(), reason=reason))


def cancel(run: Run) -> None:
    """Ask a run to stop: at once when it is queued, at its next check when it runs.

    Raises
    ------
    StateConflict
        If the run has already finished.
    """
    runs = type(run)._default_manager.filter(pk=run.pk)
    with transaction.atomic():
        _ask_to_stop(run, runs)
        audit.record("cancel", run, details={"market": run.market.slug})
        wake()


def _ask_to_stop(run: Run, runs: QuerySet[Run]) -> None:
    if runs.filter(state=RunState.QUEUED).update(
        state=RunState.CANCELLED, is_cancel_requested=True, finished_at=Now(), reason="cancelled"
    ):
        return
    if not runs.filter(state=RunState.RUNNING).update(is_cancel_requested=True):
        raise StateConflict(f"{run.public_id} has already finished: {get_run(run.kind, run.pk).state}")


def get_run(kind: str, pk: int) -> Run:
    try:
        return get_kind(kind).model_class._default_manager.get(pk=pk)
    except (get_kind(kind).model_class.DoesNotExist, OverflowError) as error:
        raise NotFound(f"no such run: {kind}-{pk}") from error


def reap() -> int:
    """Nudge runs whose worker died or whose message was lost, fail exhausted ones; return how many."""
    n_reaped = 0
    for kind in all_kinds():
        if kind.settle:
            n_reaped += import_string(kind.settle)()
        runs = kind.model_class._default_manager.filter(is_part=False)
        expired = runs.filter(state=RunState.RUNNING, lease_until__lt=Now())
        n_reaped += expired.filter(is_cancel_requested=True).update(
            state=RunState.CANCELLED, finished_at=Now(), reason="cancelled; its worker had died"
        )
        n_reaped += expired.filter(attempts__gte=MAX_ATTEMPTS).update(
            state=RunState.FAILED,
            finished_at=Now(),
            reason=f"died {MAX_ATTEMPTS} times; last: its worker vanished",
        )
        queued = runs.filter(state=RunState.QUEUED)
        waiting = queued.filter(_not_nudged_for(NUDGE_QUEUED_AFTER)) | expired.filter(
            _not_nudged_for(NUDGE_EXPIRED_AFTER)
        )
        for run in waiting:
            nudge(run)
            n_reaped += 1
    return n_reaped


def _not_nudged_for(age: timedelta) -> Q:
    return Q(nudged_at__isnull=True) | Q(nudged_at__lt=Now() - age)


def _held(kind: str, pk: int, fence: int) -> Any:
    """Return the run's rows that this fence still holds: one, or none."""
    return get_kind(kind).model_class._default_manager.filter(pk=pk, fence=fence, state=RunState.RUNNING)
