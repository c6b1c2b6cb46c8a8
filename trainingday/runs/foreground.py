"""Works on one run in the foreground, with progress on the terminal."""

from __future__ import annotations

import threading
import time
from typing import Any

from django.db import connection
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from trainingday.runs import queries, services
from trainingday.runs.models import Run
from trainingday.runs.supervisor import supervise

SECONDS_BETWEEN_READS = 0.25


def run_in_foreground(run: Run, console: Console) -> Run:
    """Supervise the run from here, showing its events until it is terminal; return the final row.

    A queue worker that takes the run first is watched instead. Ctrl-C asks the run to stop.
    """
    thread = threading.Thread(target=_supervise, args=(run.kind, run.pk), daemon=True)
    thread.start()
    last_seq = 0
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"{run.public_id} starting", total=1.0)
        is_cancelled = False
        while True:
            try:
                current = queries.find_run(run.public_id)
                for event in queries.query_events(run, last_seq):
                    last_seq = event.seq
                    _show(progress, bar, event.kind, event.payload)
                if not current.is_active:
                    progress.update(bar, completed=current.progress)
                    break
                time.sleep(SECONDS_BETWEEN_READS)
            except KeyboardInterrupt:
                if not is_cancelled:
                    services.cancel(run)
                is_cancelled = True
    thread.join(timeout=10)
    return queries.find_run(run.public_id)


def _supervise(kind: str, pk: int) -> None:
    """Supervise until the run is terminal: an attempt that died is followed by the next."""
    try:
        while services.get_run(kind, pk).is_active:
            supervise(kind, pk)
            time.sleep(SECONDS_BETWEEN_READS)
    finally:
        connection.close()


def _show(progress: Progress, bar: Any, kind: str, payload: dict[str, Any]) -> None:
    if "progress" in payload:
        progress.update(bar, completed=payload["progress"])
    if kind == "stage":
        progress.console.print(f"[bold]{payload['stage']}[/bold]")
        progress.update(bar, description=payload["stage"])
    elif kind == "progress" and payload.get("detail"):
        progress.update(bar, description=payload["detail"])
    elif kind == "note":
        progress.console.print(f"  {payload['text']}", markup=False)
