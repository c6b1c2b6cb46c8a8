"""Pages about workers and schedules, the cancel button, and the health addresses."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from trainingday.exceptions import NotFound, StateConflict, TrainingDayError
from trainingday.permissions import may_operate, signed_in
from trainingday.runs import queries, services
from trainingday.runs.lists import SCHEDULES
from trainingday.runs.metrics import may_scrape, render_metrics
from trainingday.runs.models import ACTIVE, RunState, TrainingSchedule
from trainingday.runs.progress import query_run_lines
from trainingday.runs.readiness import check_readiness
from trainingday.runs.schedule_page import query_schedules, schedule_rows
from trainingday.runs.schedules import run_now, set_enabled


@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@login_not_required
def readyz(request: HttpRequest) -> JsonResponse:
    is_ready, checks = check_readiness()
    status = "ready" if is_ready else "not ready"
    return JsonResponse({"status": status, "checks": checks}, status=200 if is_ready else 503)


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not settings.TRAININGDAY_METRICS:
        raise Http404("metrics are off")
    if not may_scrape(request):
        raise PermissionDenied
    return render_metrics()


def workers(request: HttpRequest) -> HttpResponse:
    lines = query_run_lines([*ACTIVE])[::-1]
    context = {
        "workers": queries.worker_health(),
        "waiting": queries.waiting_messages(),
        "active": sorted(lines, key=lambda line: line.state != RunState.RUNNING),
        "failures": query_run_lines([RunState.FAILED], limit=20),
    }
    return render(request, "runs/workers.html", context)


def schedules(request: HttpRequest) -> HttpResponse:
    return SCHEDULES.read(request, query_schedules()).respond(
        "runs/schedules.html", "runs/_schedules.html", lambda page: {"rows": schedule_rows(list(page))}
    )


@require_POST
def run_schedule(request: HttpRequest, pk: int) -> HttpResponse:
    schedule = get_object_or_404(TrainingSchedule, pk=pk)
    try:
        firing = run_now(schedule, reason=request.POST.get("reason", ""), user=signed_in(request))
        messages.success(request, f"Started {firing.run}.")
    except TrainingDayError as error:
        messages.error(request, str(error))
    return redirect("runs:schedules")


@require_POST
def pause_schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Pause a schedule that is on, and let a paused one go on."""
    schedule = get_object_or_404(TrainingSchedule, pk=pk)
    reason = request.POST.get("reason", "")
    try:
        set_enabled(schedule, not schedule.is_enabled, reason=reason, user=signed_in(request))
        messages.success(request, f"{schedule.name} {'goes on' if schedule.is_enabled else 'is paused'}.")
    except TrainingDayError as error:
        messages.error(request, str(error))
    return redirect("runs:schedules")


@require_POST
def cancel_run(request: HttpRequest, public_id: str) -> HttpResponse:
    if not may_operate(request.user):
        raise PermissionDenied
    try:
        run = queries.find_run(public_id)
        services.cancel(run)
        messages.success(request, f"Asked {run.public_id} to stop.")
    except NotFound as error:
        raise Http404 from error
    except StateConflict as error:
        messages.error(request, str(error))
    back = request.POST.get("next", "")
    is_safe = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if is_safe else "home")
