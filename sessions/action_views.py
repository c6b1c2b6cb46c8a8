"""The buttons of a session's page: clone, resume, replay."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from sessions.models import SessionReplay, TrainingSession
from sessions.services import clone_session, request_replay, resume_session
from trainingday.exceptions import TrainingDayError
from trainingday.pages import signed_in_user
from trainingday.permissions import may_operate
from trainingday.runs.models import Trigger


@require_POST
def clone(request: HttpRequest, pk: int) -> HttpResponse:
    """Start a session with the same preset and trials on the newest bars, with a new seed."""
    user = signed_in_user(request)
    return _act(request, pk, lambda session: clone_session(session, trigger=Trigger.USER, user=user))


@require_POST
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    return _act(request, pk, resume_session)


@require_POST
def replay(request: HttpRequest, pk: int) -> HttpResponse:
    user = signed_in_user(request)
    return _act(request, pk, lambda session: request_replay(session, trigger=Trigger.USER, user=user))


def _act(
    request: HttpRequest, pk: int, action: Callable[[TrainingSession], TrainingSession | SessionReplay]
) -> HttpResponse:
    """Carry out an action on a session for an operator; go to the run that it started, or back with the reason."""
    if not may_operate(request.user):
        raise PermissionDenied
    session = get_object_or_404(TrainingSession.objects.select_related("market"), pk=pk)
    try:
        run = action(session)
    except TrainingDayError as error:
        messages.error(request, str(error))
        return redirect(session)
    messages.success(request, f"{run.public_id} is queued.")
    return redirect(run.get_absolute_url())
