"""Pages of markets: the list, one market with its data, and the import of a file."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from trainingday.exceptions import ArtifactRejected, ImportRefused, NotFound, TrainingDayError
from trainingday.markets import profiles
from trainingday.markets.bar_export import bars_response
from trainingday.markets.candles import draw_candles
from trainingday.markets.forms import ImportForm
from trainingday.markets.importers.reader import Preview, preview
from trainingday.markets.lists import MARKETS, PROFILES
from trainingday.markets.models import Dataset, ImportProfile
from trainingday.markets.pages import market_page
from trainingday.markets.queries import query_bars, query_latest_dataset, query_market, query_markets
from trainingday.markets.services import LoadResult, load_file, upload_limits
from trainingday.pages import asks_for, signed_in_user
from trainingday.permissions import may_operate


def market_list(request: HttpRequest) -> HttpResponse:
    return MARKETS.read(request, query_markets().with_bars()).respond(
        "markets/list.html", "markets/_list.html"
    )


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
    except (NotFound, Dataset.DoesNotExist, ArtifactRejected) as error:
        raise Http404("No such market or dataset.") from error
    return JsonResponse(draw_candles(bars, _whole(request, "from"), _whole(request, "to")))


@require_safe
@require_safe
def bars_file(request: HttpRequest, slug: str, kind: str) -> HttpResponseBase:
    """Answer a dataset's bars as CSV or Parquet."""
    if not may_operate(request.user):
        raise PermissionDenied
    try:
        market, version = query_market(slug), _whole(request, "version")
        dataset = query_latest_dataset(market) if version is None else market.datasets.get(version=version)
    except (NotFound, Dataset.DoesNotExist) as error:
        raise Http404("No such market or dataset.") from error
    try:
        return bars_response(dataset, kind, is_async=isinstance(request, ASGIRequest))
    except ArtifactRejected as error:
        messages.error(request, str(error))
        return redirect(market)


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
    sealed = profiles.seal(form.options, found.detected) if found is not None and found.detected else ""
    return render(request, template, {"form": form, "found": found, "sealed": sealed}, status=status)


def profile_list(request: HttpRequest) -> HttpResponse:
    page = PROFILES.read(request, ImportProfile.objects.select_related("saved_by"))
    return page.respond("markets/profiles.html", "markets/_profiles.html")


@require_POST
def save_profile(request: HttpRequest) -> HttpResponse:
    """Save the layout that a preview showed; the file is not needed again."""
    if not may_operate(request.user):
        raise PermissionDenied
    given = request.POST.get("name", ""), request.POST.get("sealed", "")
    try:
        profile = profiles.save_sealed(*given, signed_in_user(request))
        messages.success(request, f"Saved the import profile {profile.name}.")
    except TrainingDayError as error:
        messages.error(request, str(error))
    return redirect("markets:profiles")


@require_POST
def change_profile(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename or delete a profile."""
    if not may_operate(request.user):
        raise PermissionDenied
    profile = get_object_or_404(ImportProfile, pk=pk)
    try:
        if request.POST.get("action") == "delete":
            profile.delete()
            messages.success(request, f"Deleted the import profile {profile.name}.")
        else:
            profiles.rename_profile(profile, request.POST.get("name", ""))
            messages.success(request, f"Renamed it to {profile.name}.")
    except TrainingDayError as error:
        messages.error(request, str(error))
    return redirect("markets:profiles")


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
    known = ("symbol", "venue", "interval", "profile")
    return {name: request.GET[name] for name in known if name in request.GET}


def _whole(request: HttpRequest, name: str) -> int | None:
    """Return a whole query parameter, None where it is absent or no number of up to 18 digits."""
    text = request.GET.get(name, "")
    is_whole = text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() and len(text) <= 18
    return int(text) if is_whole else None
