"""What a schedule may start, registered by the apps that own it; nothing else can be named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainingday.exceptions import InvalidArgument

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from trainingday.runs.models import Run, TrainingSchedule, Trigger

    Starter = Callable[["TrainingSchedule", "Trigger", "User | None"], "Run"]


@dataclass(frozen=True)
class Job:
    """One kind of scheduled work.

    Attributes
    ----------
    name : str
        As stored in a schedule, at most 20 characters; the name of the run kind that it starts.
    title : str
        For people.
    start : callable
        `start(schedule, trigger, user)` stores and queues a run and returns it, or raises a
        TrainingDayError; StateConflict means that the previous run is still active. It is called inside
        a transaction, so it must neither wait nor compute for long.
    presets : tuple of str
        What the schedule's preset may be; empty where the job takes none.
    """

    name: str
    title: str
    start: Starter
    presets: tuple[str, ...] = ()


_jobs: dict[str, Job] = {}


def register_job(job: Job) -> None:
    """Let schedules start a job; only registered jobs can ever run."""
    _jobs[job.name] = job


def get_job(name: str) -> Job:
    """Return a registered job; raise InvalidArgument naming those there are."""
    if name not in _jobs:
        raise InvalidArgument(f"job should be one of {sorted(_jobs)}, is {name!r}")
    return _jobs[name]


def job_choices() -> list[tuple[str, str]]:
    """Return name and title of every job: the choices of the model's field, so a new job needs no migration."""
    return [(job.name, job.title) for job in _jobs.values()]
