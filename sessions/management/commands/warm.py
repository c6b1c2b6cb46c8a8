"""Compiles every kernel into numba's cache on disk, so that no later process pays for it."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Compile the numeric kernels once."

    def handle(self, *args: Any, **options: Any) -> None:
        from sessions.warming import warm

        began = time.monotonic()
        warm()
        self.stdout.write(f"Kernels compiled or found in {time.monotonic() - began:.1f} s.")
