"""`python -m trainingday.runs.child KIND PK FENCE`: a fresh interpreter that works on one run.

It exits when its stdin closes, that is, when its supervisor dies.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainingday.runs.context import RunContext

NICE = int(os.environ.get("TRAININGDAY_NICE", "15"))
EXIT_FENCE_LOST = 3


def main(arguments: list[str]) -> int:
    kind, pk, fence = arguments[0], int(arguments[1]), int(arguments[2])
    threading.Thread(target=_die_with_supervisor, daemon=True).start()
    _make_way()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trainingday.settings")
    import django

    django.setup()
    from trainingday.runs.context import RunContext

    return work(RunContext(kind, pk, fence))


def work(context: RunContext) -> int:
    """Carry out the run and record how it ended; return the exit code, 0 where the end is recorded."""
    from django.utils.module_loading import import_string

    from trainingday.exceptions import FenceLost, RunCancelled, TrainingDayError
    from trainingday.runs.kinds import get_kind
    from trainingday.runs.models import RunState

    execute = import_string(get_kind(context.kind).execute)
    try:
        context.emit("attempt", {"fence": context.fence, "after": context.run.reason}, reason="")
        reason = execute(context)
        context.finish(RunState.SUCCEEDED, reason)
    except FenceLost as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FENCE_LOST
    except RunCancelled:
        context.finish(RunState.CANCELLED, "cancelled")
    except TrainingDayError as error:
        if error.retryable:
            raise
        context.finish(RunState.FAILED, str(error))
    return 0


def _make_way() -> None:
    """Let pages and workers go first.

    Where Linux shares its time out among sessions (sched_autogroup), a process's nice value counts within its
    session alone, and this child has one of its own.
    """
    os.nice(NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE))


def _die_with_supervisor() -> None:
    # Not sys.stdin: its lock, held by this thread, would abort the interpreter's exit.
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
