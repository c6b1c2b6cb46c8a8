"""What the pages of every app share: who asks, what htmx wants, which status a refusal has."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from trainingday.exceptions import StateConflict, TrainingDayError

PAGE_SIZE = 25


def signed_in_user(request: HttpRequest) -> User:
    """Return the user of the request; LoginRequiredMiddleware has already turned others away."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def asks_for(request: HttpRequest, target: str) -> bool:
    """Return whether htmx wants one part of the page; a page gone back to is asked for whole."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.history_restore_request and htmx.target == target


def status_of(error: TrainingDayError) -> int:
    """Return the status of a form that was refused: 409 for a conflict, else 422."""
    return 409 if isinstance(error, StateConflict) else 422
