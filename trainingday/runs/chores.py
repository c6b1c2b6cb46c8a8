"""Small regular work of the apps, done by the default cluster each minute."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)
_chores: list[Callable[[], object]] = []


def register_chore(chore: Callable[[], object]) -> None:
    """Let a function be called each minute; it must do no harm when called twice."""
    _chores.append(chore)


def run_chores() -> None:
    """Call every registered chore; one that fails stops no other."""
    for chore in _chores:
        try:
            chore()
        except Exception:
            log.exception("chore failed", chore=f"{chore.__module__}.{chore.__qualname__}")
