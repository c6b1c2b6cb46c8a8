"""The page Settings: what is in force; admins change what a market costs and how hard its exams are."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from sessions.rl.presets import PRESETS
from trainingday.access.reasons import REASON_LENGTH
from trainingday.exceptions import TrainingDayError
from trainingday.markets.models import Market
from trainingday.markets.rules import change_rules, price_of
from trainingday.permissions import may_administer, signed_in
from trainingday.runs.queries import worker_health
from trainingday.runs.services import LEASE, MAX_ATTEMPTS
from trainingday.stats.ledger import N_EXAMS

LEVELS = (0.001, 0.005, 0.01, 0.05)
MEBIBYTE = 1024 * 1024


class RulesForm(forms.Form):
    fee = forms.FloatField(min_value=0, max_value=0.1)
    slippage = forms.FloatField(min_value=0, max_value=0.1)
    alpha = forms.FloatField(min_value=0.0001, max_value=0.05, label="Exam level")
    reason = forms.CharField(min_length=REASON_LENGTH[0], max_length=REASON_LENGTH[1])


def show(request: HttpRequest) -> HttpResponse:
    context = {
        "markets": [(market, price_of(market.alpha)) for market in Market.objects.with_bars()],
        "prices": [(level, price_of(level)) for level in LEVELS],
        "n_exams": N_EXAMS,
        "presets": PRESETS.values(),
        "machine": _machine(),
        "limits": settings.TRAININGDAY_RATE_LIMITS.items(),
        "workers": worker_health(),
    }
    return render(request, "sessions/settings.html", context)


@require_POST
def change_market(request: HttpRequest, slug: str) -> HttpResponse:
    if not may_administer(request.user):
        raise PermissionDenied
    market = get_object_or_404(Market, slug=slug)
    form = RulesForm(request.POST)
    try:
        if form.is_valid():
            change_rules(market, **form.cleaned_data, user=signed_in(request))
            messages.success(request, f"Changed {slug}. Runs that start from now on use it.")
        else:
            name, faults = next(iter(form.errors.items()))
            messages.error(request, f"Nothing was changed. {form.fields[name].label or name}: {faults[0]}")
    except TrainingDayError as error:
        messages.error(request, f"Nothing was changed. {error}")
    return redirect("sessions:settings")


def _machine() -> list[tuple[str, Any, str]]:
    """Return (name, value, what sets it) of what the operator of the server decides."""
    return [
        ("Executor of trials and populations", settings.TRAININGDAY_EXECUTOR, "TRAININGDAY_EXECUTOR"),
        ("Memory of a run", f"{settings.TRAININGDAY_MEMORY_LIMIT_MB:,} MB", "TRAININGDAY_MEMORY_LIMIT_MB"),
        ("Free disk needed", f"{settings.TRAININGDAY_MIN_FREE_DISK_MB:,} MB", "TRAININGDAY_MIN_FREE_DISK_MB"),
        (
            "Largest import",
            f"{settings.TRAININGDAY_MAX_UPLOAD_BYTES // MEBIBYTE:,} MiB",
            "TRAININGDAY_MAX_UPLOAD_BYTES",
        ),
        ("Attempts of a run", MAX_ATTEMPTS, "fixed"),
        ("Lease of a worker", f"{LEASE.total_seconds():.0f} s", "fixed"),
        ("Session of a browser", f"{settings.SESSION_COOKIE_AGE // 3600:,} h", "SESSION_SECONDS"),
    ]
