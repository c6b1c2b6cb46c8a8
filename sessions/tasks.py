"""What django-q2 may call for this app."""

from trainingday.runs.supervisor import supervise


def supervise_session(pk: int) -> None:
    supervise("session", pk)


def supervise_replay(pk: int) -> None:
    supervise("replay", pk)


def supervise_report(pk: int) -> None:
    supervise("report", pk)
