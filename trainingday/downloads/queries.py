"""Reads of downloads."""

from django.db.models import QuerySet

from trainingday.downloads.models import Download


def query_downloads() -> QuerySet[Download]:
    """Return downloads with their market and dataset, newest first."""
    return Download.objects.select_related("market", "dataset")
