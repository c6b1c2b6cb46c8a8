"""Patterns as strategies: the backtest of one, and a market's confirmed ones as a signal."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from patterns.discovery.pattern import Pattern as Definition
from patterns.queries import query_patterns
from strategies.backtest_forms import SEGMENT_CHOICES
from strategies.backtest_pages import backtest_page
from strategies.backtests import DEFAULT_SEGMENT, backtest_strategy
from strategies.library.pattern_trades import PatternTrades
from strategies.pattern_pages import PatternSignalPage
from strategies.positions import pattern_strategy
from trainingday.exceptions import TrainingDayError
from trainingday.markets.models import Market
from trainingday.pages import status_of
from trainingday.permissions import may_operate


@require_safe
def backtest(request: HttpRequest, pk: int) -> HttpResponse:
    """One pattern traded alone, on segments that may be seen."""
    pattern = get_object_or_404(query_patterns(), pk=pk)
    segment = request.GET.get("segment") or DEFAULT_SEGMENT
    context = {"pattern": pattern, "segments": SEGMENT_CHOICES, "segment": segment, "page": None, "error": ""}
    try:
        family = PatternTrades([Definition.from_dict(pattern.definition)])
        context["page"] = backtest_page(backtest_strategy(pattern.market, family, {}, segment))
        status = 200
    except TrainingDayError as error:
        context["error"], status = str(error), status_of(error)
    return render(request, "strategies/pattern_backtest.html", context, status=status)


@require_safe
def signal(request: HttpRequest, slug: str) -> HttpResponse:
    page = PatternSignalPage(get_object_or_404(Market, slug=slug))
    return render(request, "strategies/pattern_signal.html", {"page": page, "market": page.market})


@require_POST
def freeze(request: HttpRequest, slug: str) -> HttpResponse:
    """Freeze the market's confirmed patterns as they are now into a strategy."""
    if not may_operate(request.user):
        raise PermissionDenied
    try:
        strategy = pattern_strategy(get_object_or_404(Market, slug=slug))
        messages.success(request, f"Frozen as {strategy.label}. It never changes any more.")
    except TrainingDayError as error:
        messages.error(request, str(error))
    return redirect("strategies:pattern-signal", slug)
