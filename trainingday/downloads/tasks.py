"""What django-q2 may call for this app."""

from trainingday.runs.supervisor import supervise


def supervise_download(pk: int) -> None:
    supervise("download", pk)
