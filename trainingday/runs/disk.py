"""Room on the disk that runs write to."""

from __future__ import annotations

import shutil

from django.conf import settings


def lack_of_disk() -> str:
    """Return why no run may start now, "" where there is room."""
    free_mb = shutil.disk_usage(settings.TRAININGDAY_HOME).free / 1e6
    needed = settings.TRAININGDAY_MIN_FREE_DISK_MB
    return f"waits for disk space: {free_mb:.0f} MB free, {needed} MB needed" if free_mb < needed else ""
