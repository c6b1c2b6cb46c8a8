"""Tournaments with their genealogy, and the champions of each market."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page
from django.db.models import Max, Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from strategies import queries, services
from strategies.forms import StartTournamentForm
from strategies.forward_pages import ForwardPage, promotion_card
from strategies.ledger import exams_left_of, with_exams_left
from strategies.lists import CHAMPIONS, TOURNAMENTS
from strategies.models import Champion
from trainingday.access.reasons import NO_REASON, ReasonForm
from trainingday.exceptions import TrainingDayError
from trainingday.markets.models import Market
from trainingday.markets.queries import query_test_window
from trainingday.pages import signed_in_user, status_of
from trainingday.permissions import may_administer, may_operate
from trainingday.runs.models import Trigger

MAX_LOOKS = 100


def tournament_list(request: HttpRequest) -> HttpResponse:
    listing = TOURNAMENTS.read(request, queries.query_tournaments())
    return listing.respond("strategies/tournaments.html", "strategies/_tournaments.html")


def start(request: HttpRequest) -> HttpResponse:
    if not may_operate(request.user):
        raise PermissionDenied
    initial = {key: request.GET[key] for key in ("market", "seed_from") if key in request.GET}
    form = StartTournamentForm(request.POST if request.method == "POST" else None, initial=initial)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                run = services.request_tournament(
                    **form.cleaned_data, trigger=Trigger.USER, user=signed_in_user(request)
                )
                return redirect("strategies:tournament", run.pk)
            except TrainingDayError as error:
                status = status_of(error)
                form.add_error(None, str(error))
    return render(request, "strategies/start.html", {"form": form}, status=status)


def champions(request: HttpRequest) -> HttpResponse:
    reigning = Champion.objects.filter(until__isnull=True).select_related(
        "strategy", "look", "decided_by", "record"
    )
    markets = with_exams_left(Market.objects.with_bars()).prefetch_related(
        Prefetch("champions", reigning, to_attr="reigning")
    )
    newest = Max("champions__since", filter=Q(champions__until__isnull=True))
    listing = CHAMPIONS.read(request, markets.annotate(newest_reign=newest))

    def lines(page: Page[Any]) -> dict[str, Any]:
        return {"lines": [(row, next(iter(row.reigning), None), exams_left_of(row)) for row in page]}

    return listing.respond("strategies/champions.html", "strategies/_champions.html", lines)


def champion(request: HttpRequest, slug: str) -> HttpResponse:
    market = get_object_or_404(with_exams_left(Market.objects.all()), slug=slug)
    window = query_test_window(market)
    looks = list(queries.query_looks().filter(market=market)[:MAX_LOOKS])
    history = list(queries.champion_history(market))
    context = {
        "market": market,
        "history": history,
        "window": window,
        "exams": queries.exams_summary(market, window, exams_left_of(market)) if window else "",
        "looks": [(look, queries.public_decision(look)) for look in looks],
        "forward": ForwardPage.of(market, history, looks),
        "gate": promotion_card(history[0]) if history and history[0].until is None else None,
    }
    return render(request, "strategies/champion.html", context)


@require_POST
def roll_back(request: HttpRequest, slug: str) -> HttpResponse:
    """End the reign of the champion shown; the reign before returns, or none."""
    if not may_administer(request.user):
        raise PermissionDenied
    market = get_object_or_404(Market, slug=slug)
    shown = get_object_or_404(Champion, pk=request.POST.get("champion") or 0, market=market)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, NO_REASON)
        return redirect("strategies:champion", slug)
    try:
        new = services.roll_back(shown, reason=form.cleaned_data["reason"], user=signed_in_user(request))
        messages.success(request, f"Rolled back. Now: {new.strategy.label if new else 'no champion'}.")
    except TrainingDayError as error:
        messages.error(request, str(error))
    return redirect("strategies:champion", slug)
