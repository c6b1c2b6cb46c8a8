"""Strategies: the list of all that were ever scored, and a page for each."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from strategies import queries, services
from strategies.lists import STRATEGIES
from strategies.models import Strategy
from strategies.strategy_page import StrategyPage
from trainingday.access.reasons import NO_REASON, ReasonForm
from trainingday.exceptions import TrainingDayError
from trainingday.pages import signed_in_user
from trainingday.permissions import may_administer


def strategy_list(request: HttpRequest) -> HttpResponse:
    listing = STRATEGIES.read(request, queries.query_strategies())
    return listing.respond(
        "strategies/list.html",
        "strategies/_list.html",
        lambda page: {"lines": queries.with_best_scores(iter(page))},
    )


def strategy(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Strategy.objects.select_related("market"), pk=pk)
    return render(request, "strategies/strategy.html", {"page": StrategyPage(row), "strategy": row})


@require_POST
def promote(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a strategy champion again by hand, where evidence did before; admins only, with a reason."""
    if not may_administer(request.user):
        raise PermissionDenied
    row = get_object_or_404(Strategy.objects.select_related("market"), pk=pk)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, NO_REASON)
        return redirect("strategies:strategy", pk)
    try:
        services.promote(row, reason=form.cleaned_data["reason"], user=signed_in_user(request))
        messages.success(request, f"{row.label} is now the champion of {row.market.slug}.")
    except TrainingDayError as error:
        messages.error(request, str(error))
    return redirect("strategies:strategy", pk)
