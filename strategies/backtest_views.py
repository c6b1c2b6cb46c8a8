"""The backtest page and its CSV files.

A backtest of up to 500,000 bars stores nothing and takes about a second at most, so its page is a plain GET:
every state of it has an address that can be sent to anyone who is signed in, viewers too. The API takes longer
histories, and operators only.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from strategies.backtest_forms import BacktestForm
from strategies.backtest_pages import backtest_page
from strategies.backtest_tables import equity_csv, trades_csv
from strategies.backtests import WHY_NO_TEST, BacktestReport, backtest_strategy
from strategies.library.base import Family
from strategies.library.registry import families
from strategies.stored_strategy import find_stored
from trainingday.exceptions import TrainingDayError

MAX_BARS = 500_000
TABLES = {"equity": equity_csv, "trades": trades_csv}


@require_safe
def backtest(request: HttpRequest) -> HttpResponse:
    """The form, and with `run` in the query the result; htmx asks for another family's fields alone."""
    is_run = "run" in request.GET
    family = _family(request)
    form = BacktestForm(request.GET if is_run else None, family, initial=_initial(request))
    if getattr(request, "htmx", None) and request.htmx.target == "parameters":  # type: ignore[attr-defined]
        return render(request, "strategies/_backtest_parameters.html", {"form": form})
    context: dict[str, Any] = {"form": form, "page": None, "why_no_test": WHY_NO_TEST}
    status = 200
    if is_run:
        report = _run(form)
        context["page"] = backtest_page(report) if report else None
        context["query"] = request.GET.urlencode()
        status = 200 if report else 422
    return render(request, "strategies/backtest.html", context, status=status)


@require_safe
def backtest_csv(request: HttpRequest, table: str) -> HttpResponse:
    """The same backtest's equity at every bar, or all its trades."""
    form = BacktestForm(request.GET, _family(request))
    report = _run(form) if table in TABLES else None
    if report is None:
        raise Http404("No such backtest.")
    name = f"{report.market.slug}-{report.family.name}-{table}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(TABLES[table](report), content_type="text/csv; charset=utf-8", headers=headers)


def _run(form: BacktestForm) -> BacktestReport | None:
    """Return the backtest of a form; None, and errors on the form, where it cannot be."""
    if not form.is_valid():
        return None
    values = form.cleaned_data
    try:
        return backtest_strategy(
            values["market"],
            values["strategy"],
            form.parameters,
            values["segment"],
            fee=values["fee"],
            slippage=values["slippage"],
            max_bars=MAX_BARS,
        )
    except TrainingDayError as error:
        form.add_error(None, str(error))
        return None


def _family(request: HttpRequest) -> Family:
    """Return the family or the stored strategy that the query names, the first family where it names none."""
    name, known = request.GET.get("strategy", ""), families()
    return known.get(name) or find_stored(name) or next(iter(known.values()))


def _initial(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in ("market", "strategy", "segment") if name in request.GET}
