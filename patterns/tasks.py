"""What django-q2 may call for this app."""

from trainingday.runs.supervisor import supervise


def supervise_scan(pk: int) -> None:
    supervise("scan", pk)
