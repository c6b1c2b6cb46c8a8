"""The home page, training sessions, their reports, and models."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render

from sessions import charts, queries
from sessions.forms import StartSessionForm
from sessions.models import ModelVersion, TrainingSession
from sessions.services import request_session
from trainingday.exceptions import TrainingDayError
from trainingday.markets.models import Market
from trainingday.pages import PAGE_SIZE, asks_for, signed_in_user, status_of
from trainingday.permissions import may_operate
from trainingday.runs.models import RunState, Trigger


def home(request: HttpRequest) -> HttpResponse:
    if asks_for(request, "active"):
        running, queued = queries.active_lines()
        return render(request, "sessions/_active.html", {"running": running, "queued": queued})
    page = queries.home_page()
    return render(
        request, "sessions/home.html", {"page": page, "running": page.running, "queued": page.queued}
    )


def session_list(request: HttpRequest) -> HttpResponse:
    chosen = {name: request.GET.get(name, "") for name in ("state", "market", "sort")}
    rows = queries.query_sessions()
    if chosen["state"] in RunState.values:
        rows = rows.filter(state=chosen["state"])
    if chosen["market"]:
        rows = rows.filter(market__slug=chosen["market"])
    rows = queries.sorted_by(rows, chosen["sort"], queries.SESSION_SORTS, "-created_at")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    scores = queries.trial_scores(page.object_list)
    context = {
        "page": page,
        "lines": [(session, scores.get(session.pk, [])) for session in page.object_list],
        "chosen": chosen,
        "states": RunState.choices,
        "markets": Market.objects.values_list("slug", flat=True),
    }
    template = "sessions/_list.html" if asks_for(request, "list") else "sessions/list.html"
    return render(request, template, context)


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


def model_list(request: HttpRequest) -> HttpResponse:
    chosen = {name: request.GET.get(name, "") for name in ("stage", "market", "sort")}
    rows = queries.query_models()
    if chosen["stage"] in ModelVersion.Stage.values:
        rows = rows.filter(stage=chosen["stage"])
    if chosen["market"]:
        rows = rows.filter(market__slug=chosen["market"])
    rows = queries.sorted_by(rows, chosen["sort"], queries.MODEL_SORTS, "-created_at")
    context = {
        "page": Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page")),
        "chosen": chosen,
        "stages": ModelVersion.Stage.values,
        "markets": Market.objects.values_list("slug", flat=True),
    }
    template = "sessions/_models.html" if asks_for(request, "list") else "sessions/models.html"
    return render(request, template, context)


def model_detail(request: HttpRequest, pk: int) -> HttpResponse:
    model = get_object_or_404(queries.query_models(), pk=pk)
    context = {
        "model": model,
        "curve": charts.model_chart(model),
        "children": model.children.order_by("number"),
    }
    return render(request, "sessions/model.html", context)


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
    }
