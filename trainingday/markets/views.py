"""Pages of markets: the list, one market with its data, and the import of a file."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from trainingday.exceptions import ImportRefused, NotFound, TrainingDayError
from trainingday.markets.candles import draw_candles
from trainingday.markets.forms import ImportForm
from trainingday.markets.importers.reader import Preview, preview
from trainingday.markets.lists import MARKETS
from trainingday.markets.models import Dataset
from trainingday.markets.pages import market_page
from trainingday.markets.queries import query_bars, query_latest_dataset, query_market, query_markets
from trainingday.markets.services import LoadResult, load_file, upload_limits
from trainingday.pages import asks_for
from trainingday.permissions import may_operate


def market_list(request: HttpRequest) -> HttpResponse:
    return MARKETS.read(request, query_markets()).respond("markets/list.html", "markets/_list.html")


def market_detail(request: HttpRequest, slug: str) -> HttpResponse:
    try:
        market = query_market(slug)
        page = market_page(market, _whole(request, "version"))
    except (NotFound, Dataset.DoesNotExist) as error:
        raise Http404("No such market or dataset.") from error
    return render(request, "markets/detail.html", {"page": page, "market": market, "dataset": page.dataset})


def candles(request: HttpRequest, slug: str) -> JsonResponse:
    """Answer a stretch of bars as at most 400 candles, for zooming into the chart."""
    try:
        market, version = query_market(slug), _whole(request, "version")
        dataset = query_latest_dataset(market) if version is None else market.datasets.get(version=version)
        bars = query_bars(dataset)
    except (NotFound, Dataset.DoesNotExist) as error:
        raise Http404("No such market or dataset.") from error
    return JsonResponse(draw_candles(bars, _whole(request, "from"), _whole(request, "to")))


def import_file(request: HttpRequest) -> HttpResponse:
    if not may_operate(request.user):
        raise PermissionDenied
    if request.method != "POST":
        return render(request, "markets/import.html", {"form": ImportForm(initial=_initial(request))})
    form = ImportForm(request.POST, request.FILES)
    found: Preview | None = None
    status = 200
    if form.is_valid():
        try:
            if request.POST.get("action") != "import":
                found = _preview(form)
            else:
                return _imported(request, _load(form))
        except TrainingDayError as error:
            form.add_error(None, str(error))
            status = error.status if isinstance(error, ImportRefused) else 422
    else:
        status = 422
    template = "markets/_preview.html" if asks_for(request, "preview") else "markets/import.html"
    # htmx shows an error's fragment only with a success status
    status = 200 if template == "markets/_preview.html" else status
    return render(request, template, {"form": form, "found": found}, status=status)


def _preview(form: ImportForm) -> Preview:
    upload, limits = form.cleaned_data["file"], upload_limits()
    return preview(upload.read(limits.max_bytes + 1), upload.name, form.options, limits)


def _load(form: ImportForm) -> LoadResult:
    fields, limits = form.cleaned_data, upload_limits()
    upload = fields["file"]
    return load_file(
        upload.read(limits.max_bytes + 1),
        upload.name,
        symbol=fields["symbol"],
        venue=fields["venue"],
        interval=fields["interval"] or None,
        calendar=fields["calendar"] or None,
        options=form.options,
        append=fields["append"],
        limits=limits,
    )


def _imported(request: HttpRequest, result: LoadResult) -> HttpResponse:
    rows = f"{result.dataset.n_rows:,} bars"
    if result.created:
        messages.success(request, f"Imported {rows} as version {result.dataset.version} of {result.market}.")
    else:
        messages.info(
            request, f"These {rows} are version {result.dataset.version} of {result.market} already."
        )
    return redirect(result.market)


def _initial(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in ("symbol", "venue", "interval") if name in request.GET}


def _whole(request: HttpRequest, name: str) -> int | None:
    """Return a whole query parameter, None where it is absent or no number of up to 18 digits."""
    text = request.GET.get(name, "")
    is_whole = text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() and len(text) <= 18
    return int(text) if is_whole else None
