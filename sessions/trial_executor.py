"""The executor of a session: the one that the settings name, whose own processes load what trials need."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from trainingday.compute.executor import TaskExecutor, open_executor

if TYPE_CHECKING:  # the pool's processes import this module too, and know no models
    from sessions.day import Day


def open_trial_executor(day: Day) -> AbstractContextManager[TaskExecutor]:
    """Return the executor of a session's trials, final trainings and tournament, to be entered."""
    return open_executor(day.source, prepare=_load_training)


def _load_training() -> None:
    """Load what every trial needs, on one numeric thread."""
    import torch

    torch.set_num_threads(1)
    import sessions.rl.training  # noqa: F401
