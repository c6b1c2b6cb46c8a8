"""Pages of downloads: the list, the start, one with its progress, and the refresh of a market."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from trainingday.downloads.forms import StartDownloadForm
from trainingday.downloads.lists import DOWNLOADS
from trainingday.downloads.queries import query_downloads
from trainingday.downloads.services import request_download, request_refresh
from trainingday.exceptions import NotFound, TrainingDayError
from trainingday.markets.exchange.client import is_installed
from trainingday.markets.queries import query_market
from trainingday.pages import signed_in_user, status_of
from trainingday.permissions import may_operate
from trainingday.runs.models import Trigger
from trainingday.runs.progress import read_progress


def download_list(request: HttpRequest) -> HttpResponse:
    return DOWNLOADS.read(request, query_downloads()).respond("downloads/list.html", "downloads/_list.html")


def start(request: HttpRequest) -> HttpResponse:
    if not may_operate(request.user):
        raise PermissionDenied
    given = {name: request.GET[name] for name in ("exchange", "symbol", "interval") if name in request.GET}
    form = StartDownloadForm(request.POST if request.method == "POST" else None, initial=given)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                return redirect(
                    request_download(**form.cleaned_data, trigger=Trigger.USER, user=signed_in_user(request))
                )
            except TrainingDayError as error:
                status = status_of(error)
                form.add_error(None, str(error))
    return render(
        request, "downloads/start.html", {"form": form, "is_installed": is_installed()}, status=status
    )


def detail(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(query_downloads(), pk=pk)
    return render(request, "downloads/detail.html", {"run": run, "live": read_progress(run)})


@require_POST
def refresh(request: HttpRequest, slug: str) -> HttpResponse:
    if not may_operate(request.user):
        raise PermissionDenied
    try:
        market = query_market(slug)
    except NotFound as error:
        raise Http404("No such market.") from error
    try:
        return redirect(request_refresh(market, trigger=Trigger.USER, user=signed_in_user(request)))
    except TrainingDayError as error:
        messages.error(request, str(error))
        return redirect(market)
