"""What django-q2 may call for this app."""

from trainingday.runs.supervisor import supervise


def supervise_tournament(pk: int) -> None:
    supervise("tournament", pk)
