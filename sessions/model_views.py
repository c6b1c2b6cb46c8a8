"""The pages of the model registry, and its buttons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from sessions import charts, queries, registry
from sessions.forms import UploadModelForm
from sessions.lists import MODELS
from sessions.model_charts import evidence_charts
from sessions.model_pages import ModelLine, ModelPage, model_lines
from sessions.models_api import download
from strategies.queries import proven_reign
from trainingday.access.reasons import NO_REASON, ReasonForm
from trainingday.exceptions import ArtifactRejected, NotFound, TrainingDayError
from trainingday.pages import signed_in_user, status_of
from trainingday.permissions import may_administer, may_operate


def model_list(request: HttpRequest) -> HttpResponse:
    def lines(page: Page[Any]) -> dict[str, Any]:
        return {"lines": model_lines(page.object_list)}

    listing = MODELS.read(request, queries.query_models())
    return listing.respond("sessions/models.html", "sessions/_models.html", lines)


def detail(request: HttpRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(queries.query_models(), pk=pk)
    page = ModelPage(
        ModelLine(model),
        list(model.children.order_by("number")),
        proven_reign(model.strategy),
        queries.current_best(model.market),
        queries.later_record(model),
    )
    return render(
        request, "sessions/model.html", {"model": model, "page": page, "curve": charts.model_chart(model)}
    )


@require_GET
def evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """The plots that need backtests: a part of the pages of models and sessions, or a page of their own."""
    line = ModelLine(get_object_or_404(queries.query_models(), pk=pk))
    context: dict[str, Any] = {"line": line}
    try:
        context["charts"] = evidence_charts(line)
    except TrainingDayError as error:
        context["problem"] = str(error)
    is_part = bool(getattr(request, "htmx", False))
    return render(request, "sessions/_evidence.html" if is_part else "sessions/evidence.html", context)


@require_GET
def export(request: HttpRequest, pk: int, part: str) -> HttpResponse:
    if not may_operate(request.user):
        raise PermissionDenied
    version = get_object_or_404(queries.query_models(), pk=pk)
    try:
        return download(version, part)
    except (NotFound, ArtifactRejected) as error:
        raise Http404(str(error)) from error


@require_POST
def verify(request: HttpRequest, pk: int) -> HttpResponse:
    """Check a model's artefacts anew and say what was found."""
    if not may_operate(request.user):
        raise PermissionDenied
    version = get_object_or_404(queries.query_models(), pk=pk)
    found = registry.verify(version)
    say = messages.success if found["state"] == registry.VALID else messages.error
    say(request, f"{found['state'].capitalize()}: {found['reason']}.")
    return redirect(version.get_absolute_url())


@require_POST
def promote(request: HttpRequest, pk: int) -> HttpResponse:
    return _decide(request, pk, registry.promote, "is the champion again")


@require_POST
def reject(request: HttpRequest, pk: int) -> HttpResponse:
    return _decide(request, pk, registry.reject, "is rejected")


@require_POST
def roll_back(request: HttpRequest, pk: int) -> HttpResponse:
    return _decide(request, pk, registry.roll_back, "is no longer the champion")


def upload(request: HttpRequest) -> HttpResponse:
    if not may_operate(request.user):
        raise PermissionDenied
    form = UploadModelForm(request.POST or None, request.FILES or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            files = {part: form.cleaned_data[part] for part in registry.PARTS}
            try:
                strategy, is_new = registry.upload(form.cleaned_data["market"], files)
                text = "is stored" if is_new else "was known already"
                messages.success(request, f"{strategy.label} {text}: it can be backtested and entered.")
                return redirect("sessions:models")
            except registry.NotAnExport as error:
                status = 415
                form.add_error(None, str(error))
            except TrainingDayError as error:
                status = status_of(error)
                form.add_error(None, str(error))
    return render(request, "sessions/upload_model.html", {"form": form}, status=status)


def _decide(request: HttpRequest, pk: int, action: Callable[..., Any], done: str) -> HttpResponse:
    """Carry out an admin's decision on a model with its reason, and go back to its page."""
    if not may_administer(request.user):
        raise PermissionDenied
    version = get_object_or_404(queries.query_models(), pk=pk)
    form, user = ReasonForm(request.POST), signed_in_user(request)
    if not form.is_valid():
        messages.error(request, NO_REASON)
        return redirect(version.get_absolute_url())
    try:
        action(version, reason=form.cleaned_data["reason"], user=user)
        messages.success(request, f"Version {version.number} {done}.")
    except TrainingDayError as error:
        messages.error(request, str(error))
    return redirect(version.get_absolute_url())
