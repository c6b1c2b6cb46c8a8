"""Patterns, what was measured of each, and the scans that found them."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from patterns import queries, services
from patterns.forms import RetireForm, StartScanForm
from patterns.lists import PATTERNS
from patterns.models import Pattern, PatternScan
from patterns.pages import PatternPage, RecognitionPanel
from trainingday.access.reasons import NO_REASON
from trainingday.exceptions import TrainingDayError
from trainingday.pages import signed_in_user, status_of
from trainingday.permissions import may_operate
from trainingday.runs.models import Trigger
from trainingday.runs.progress import read_progress


def pattern_list(request: HttpRequest) -> HttpResponse:
    listing = PATTERNS.read(request, queries.query_patterns().select_related("found_by"))

    def recognition(page: object) -> dict[str, object]:
        newest = queries.query_newest_scan(listing.chosen.get("market", ""))
        return {"recognition": RecognitionPanel(newest) if newest else None}

    return listing.respond("patterns/list.html", "patterns/_list.html", recognition)


def start(request: HttpRequest) -> HttpResponse:
    if not may_operate(request.user):
        raise PermissionDenied
    form = StartScanForm(
        request.POST if request.method == "POST" else None, initial={"market": request.GET.get("market")}
    )
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                run = services.request_scan(
                    form.cleaned_data["market"],
                    trigger=Trigger.USER,
                    user=signed_in_user(request),
                    choices=form.choices,
                )
                return redirect("patterns:scan", run.pk)
            except TrainingDayError as error:
                status = status_of(error)
                form.add_error(None, str(error))
    return render(request, "patterns/start.html", {"form": form}, status=status)


def detail(request: HttpRequest, pk: int) -> HttpResponse:
    rows = queries.query_patterns().select_related("found_by", "last_scan")
    page = PatternPage(get_object_or_404(rows, pk=pk))
    return render(request, "patterns/detail.html", {"page": page, "pattern": page.pattern})


@require_POST
def retire(request: HttpRequest, pk: int) -> HttpResponse:
    """Retire a pattern by hand, with the reason."""
    if not may_operate(request.user):
        raise PermissionDenied
    pattern = get_object_or_404(Pattern, pk=pk)
    form = RetireForm(request.POST)
    if not form.is_valid():
        messages.error(request, NO_REASON)
        return redirect("patterns:detail", pk)
    try:
        services.retire_pattern(pattern, reason=form.cleaned_data["reason"], user=signed_in_user(request))
        messages.success(request, "Retired. It is followed further, but enters no set any more.")
    except TrainingDayError as error:
        messages.error(request, str(error))
    return redirect("patterns:detail", pk)


def scan(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(PatternScan.objects.select_related("market", "dataset", "session"), pk=pk)
    context = {
        "scan": run,
        "run": run,
        "live": read_progress(run),
        "patterns": Pattern.objects.filter(last_scan=run).order_by("state", "q_value", "pk")[:100],
    }
    return render(request, "patterns/scan.html", context)
