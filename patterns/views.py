"""Patterns, what was measured of each, and the scans that found them."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from patterns import services
from patterns.forms import StartScanForm
from patterns.lists import PATTERNS
from patterns.models import Pattern, PatternScan, PatternSighting
from trainingday.charts import Chart, Trace
from trainingday.exceptions import TrainingDayError
from trainingday.markets.models import moment
from trainingday.pages import signed_in_user, status_of
from trainingday.permissions import may_operate
from trainingday.runs.models import RunState, Trigger
from trainingday.runs.progress import read_progress
from trainingday.typing import JSONDict

SIGHTINGS_SHOWN = 200
ROLLING_WINDOW = 30


def pattern_list(request: HttpRequest) -> HttpResponse:
    listing = PATTERNS.read(request, Pattern.objects.select_related("market"))
    scans = PatternScan.objects.filter(state=RunState.SUCCEEDED).select_related("market")
    if market := listing.chosen.get("market"):
        scans = scans.filter(market__slug=market)
    newest = scans.order_by("-pk").first
    return listing.respond(
        "patterns/list.html", "patterns/_list.html", lambda page: {"newest_scan": newest()}
    )


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
    pattern = get_object_or_404(Pattern.objects.select_related("market", "found_by", "last_scan"), pk=pk)
    sightings = list(PatternSighting.objects.filter(pattern=pattern).order_by("bar_us"))
    context = {
        "pattern": pattern,
        "records": _records(pattern),
        "sightings": [(moment(row.bar_us), row) for row in sightings[::-1][:SIGHTINGS_SHOWN]],
        "n_sightings": len(sightings),
        "template_chart": template_chart(pattern.template),
        "rolling_chart": rolling_chart(sightings, pattern.confirmation.get("base_rate")),
    }
    return render(request, "patterns/detail.html", context)


def scan(request: HttpRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(PatternScan.objects.select_related("market", "dataset", "session"), pk=pk)
    context = {
        "scan": run,
        "run": run,
        "live": read_progress(run),
        "patterns": Pattern.objects.filter(last_scan=run).order_by("state", "q_value", "pk")[:100],
    }
    return render(request, "patterns/scan.html", context)


def template_chart(template: JSONDict) -> Chart:
    """Return the mean path of a pattern with its band; nothing to draw where no path is known."""
    offset, mean = template.get("offset") or [], template.get("mean") or []
    low, high = template.get("low") or [], template.get("high") or []
    path = Trace("mean path", offset, mean, role="train", low=low, high=high)
    return Chart("Bars from the decision", "Price, standard deviations of the window", [path])


def rolling_chart(sightings: Sequence[PatternSighting], base_rate: float | None) -> Chart:
    """Return the success rate of the last 30 known sightings after each one, beside the base rate."""
    known = [row for row in sightings if row.is_success is not None]
    x = [moment(row.bar_us).isoformat() for row in known]
    y: list[float | None] = [None] * len(known)
    for end in range(ROLLING_WINDOW, len(known) + 1):
        y[end - 1] = (
            100 * sum(bool(row.is_success) for row in known[end - ROLLING_WINDOW : end]) / ROLLING_WINDOW
        )
    traces = [Trace(f"of the last {ROLLING_WINDOW}", x[ROLLING_WINDOW - 1 :], y[ROLLING_WINDOW - 1 :])]
    if base_rate is not None and len(known) >= ROLLING_WINDOW:
        traces.append(Trace("base rate", [x[0], x[-1]], [100 * base_rate] * 2, role="dim", dash="dot"))
    return Chart("Sighting", "Success rate [%]", traces, is_time=True)


def _records(pattern: Pattern) -> list[tuple[str, str, JSONDict]]:
    """Return (segment's colour, name, record) in the order of time; later bars only once there are any."""
    rows = [("train", "train", pattern.discovery), ("validation", "validation", pattern.confirmation)]
    later = pattern.tracking.get("since_confirmed")
    return [*rows, ("later", "since confirmation", later)] if isinstance(later, dict) else rows
