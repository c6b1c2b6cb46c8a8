"""The home page, training sessions, their reports, and models."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Page
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render

from sessions import charts, queries, search_charts
from sessions.forms import StartSessionForm
from sessions.lists import SESSIONS
from sessions.models import SessionReplay, TrainingSession
from sessions.services import request_session
from strategies.signals import market_signal
from trainingday.exceptions import TrainingDayError
from trainingday.markets.models import Market
from trainingday.pages import asks_for, signed_in_user, status_of
from trainingday.permissions import may_operate
from trainingday.runs.models import Trigger
from trainingday.runs.progress import read_progress


def home(request: HttpRequest) -> HttpResponse:
    if asks_for(request, "active"):
        running, queued = queries.active_lines()
        return render(request, "sessions/_active.html", {"running": running, "queued": queued})
    page = queries.home_page()
    return render(
        request, "sessions/home.html", {"page": page, "running": page.running, "queued": page.queued}
    )


def position(request: HttpRequest, slug: str) -> HttpResponse:
    """The champion's position now, for a card of the home page: it may have to be computed, so it comes after."""
    signal = market_signal(get_object_or_404(Market, slug=slug))
    return render(request, "sessions/_position.html", {"signal": signal})


def session_list(request: HttpRequest) -> HttpResponse:
    def lines(page: Page[Any]) -> dict[str, Any]:
        scores = queries.trial_scores(page.object_list)
        return {"lines": [(session, scores.get(session.pk, [])) for session in page.object_list]}

    listing = SESSIONS.read(request, queries.query_sessions())
    return listing.respond("sessions/list.html", "sessions/_list.html", lines)


def start(request: HttpRequest) -> HttpResponse:
    if not may_operate(request.user):
        raise PermissionDenied
    initial = {key: request.GET[key] for key in ("market", "preset", "seed") if key in request.GET}
    form = StartSessionForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(
                request_session(**form.cleaned_data, trigger=Trigger.USER, user=signed_in_user(request))
            )
        except TrainingDayError as error:
            form.add_error(None, str(error))
            return render(request, "sessions/start.html", {"form": form}, status=status_of(error))
    return render(request, "sessions/start.html", {"form": form}, status=422 if form.errors else 200)


def detail(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "sessions/detail.html", _session_context(pk))


def replay(request: HttpRequest, pk: int) -> HttpResponse:
    rows = SessionReplay.objects.select_related("market", "original", "requested_by")
    run = get_object_or_404(rows, pk=pk)
    live = read_progress(run)
    context = {
        "replay": run,
        "run": run,
        "live": live,
        "curve_chart": charts.curve_chart(live.payloads("curve")),
    }
    return render(request, "sessions/replay.html", context)


def report(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "sessions/report.html", _session_context(pk))


def report_json(request: HttpRequest, pk: int) -> JsonResponse:
    session = get_object_or_404(TrainingSession.objects.select_related("market", "dataset"), pk=pk)
    fields = ("state", "reason", "verdict", "preset", "seed", "generation", "baseline_sharpe", "new_sharpe")
    more = ("hyperparams_tested", "patterns_discovered", "duration", "cpu_seconds", "dataset_hash")
    body: dict[str, Any] = {name: getattr(session, name) for name in (*fields, *more)}
    body |= {"run": session.public_id, "market": session.market.slug, "sharpe_segment": "validation"}
    body |= {
        "configuration": session.configuration,
        "environment": session.environment,
        "report": session.report,
    }
    return JsonResponse(body, json_dumps_params={"indent": 2, "ensure_ascii": False})


def _session_context(pk: int) -> dict[str, Any]:
    session = queries.find_session(pk)
    if session is None:
        raise Http404("No such training session.")
    page = queries.session_page(session)
    return {
        "page": page,
        "session": session,
        "run": session,
        "live": page.live,
        "trials": [(trial, charts.parameter_text(trial.hyperparameters)) for trial in page.trials],
        "trial_chart": charts.trial_chart(page.trials),
        "curve_chart": charts.curve_chart(page.live.payloads("curve")),
        "intermediate_chart": search_charts.intermediate_chart(page.trials),
        "importances": search_charts.importances(page.trials),
        "parallel": search_charts.parallel_coordinates(page.trials),
    }
