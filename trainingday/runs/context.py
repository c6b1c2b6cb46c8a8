"""RunContext: how a child works on its run, and loses the right to when its fence is overtaken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone

from trainingday.exceptions import FenceLost, RunCancelled
from trainingday.runs.kinds import get_kind
from trainingday.runs.models import Run, RunEvent, RunState
from trainingday.runs.wake import wake
from trainingday.typing import JSONDict

SECONDS_BETWEEN_TICKS = 0.5
SECONDS_BETWEEN_CANCEL_CHECKS = 1.0
MIN_PROGRESS_FOR_ETA = 0.02


class RunContext:
    """The run, its fence, and the only door through which the child writes.

    Every transaction first updates the run's row under its fence; where that touches no row another
    worker holds the run, and FenceLost stops this one before it writes anything.
    """

    def __init__(self, kind: str, pk: int, fence: int) -> None:
        self.kind, self.pk, self.fence = kind, pk, fence
        self._model = get_kind(kind).model_class
        self._seq = self._events().aggregate(last=Max("seq"))["last"] or 0
        self._last_tick = 0.0
        self._last_cancel_check = 0.0
        self._started_at = self._model._default_manager.values_list("started_at", flat=True).get(pk=pk)

    @property
    def run(self) -> Run:
        """Return a fresh copy of the row."""
        return self._model._default_manager.select_related("market").get(pk=self.pk)

    @contextmanager
    def transaction(self, **fields: Any) -> Iterator[None]:
        """Commit what the block writes together with `fields` of the run, if the fence still holds."""
        with transaction.atomic():
            held = self._model._default_manager.filter(pk=self.pk, fence=self.fence, state=RunState.RUNNING)
            if not held.update(**(fields or {"fence": self.fence})):
                raise FenceLost(f"{self.kind}-{self.pk}: fence {self.fence} was overtaken")
            yield

    def emit(self, kind: str, payload: JSONDict, **fields: Any) -> None:
        """Record an event, with `fields` of the run in the same transaction."""
        with self.transaction(**fields):
            self.add_event(kind, payload)

    def add_event(self, kind: str, payload: JSONDict) -> None:
        """Record an event inside an open `transaction`."""
        self._seq += 1
        RunEvent.objects.create(run_kind=self.kind, run_pk=self.pk, seq=self._seq, kind=kind, payload=payload)
        wake()

    def stage(self, name: str, progress: float) -> None:
        """Enter a stage; `progress` is the fraction of the whole run done before it."""
        self.check_cancel(now=True)
        self.emit(
            "stage",
            {"stage": name, "progress": progress, "eta_seconds": self._eta(progress)},
            stage=name,
            progress=progress,
        )

    def tick(self, progress: float, payload: JSONDict) -> None:
        """Report progress inside a stage, at most twice a second; reads the cancel flag."""
        self.check_cancel()
        now = time.monotonic()
        if now - self._last_tick < SECONDS_BETWEEN_TICKS:
            return
        self._last_tick = now
        self.emit(
            "progress",
            {**payload, "progress": progress, "eta_seconds": self._eta(progress)},
            progress=progress,
        )

    def check_cancel(self, *, now: bool = False) -> None:
        """Raise RunCancelled if somebody asked to stop; reads the row at most once a second."""
        if not now and time.monotonic() - self._last_cancel_check < SECONDS_BETWEEN_CANCEL_CHECKS:
            return
        self._last_cancel_check = time.monotonic()
        rows = self._model._default_manager.filter(pk=self.pk).values_list("is_cancel_requested", "fence")
        is_cancelled, fence = rows.get()
        if fence != self.fence:
            raise FenceLost(f"{self.kind}-{self.pk}: fence {self.fence} was overtaken by {fence}")
        if is_cancelled:
            raise RunCancelled(f"{self.kind}-{self.pk} was cancelled")

    def finish(self, state: RunState, reason: str) -> None:
        """Record the terminal state; nothing can be written after it."""
        progress = {"progress": 1.0} if state == RunState.SUCCEEDED else {}
        with self.transaction(state=state, finished_at=Now(), lease_until=None, reason=reason, **progress):
            self.add_event("finished", {"state": state, "reason": reason})

    def _eta(self, progress: float) -> float | None:
        """Return the seconds left if the rest takes as long as what is done, earlier attempts included."""
        if progress <= MIN_PROGRESS_FOR_ETA or self._started_at is None:
            return None
        elapsed = (timezone.now() - self._started_at).total_seconds()
        return round(elapsed * (1 - progress) / progress, 1)

    def _events(self) -> Any:
        return RunEvent.objects.filter(run_kind=self.kind, run_pk=self.pk)
