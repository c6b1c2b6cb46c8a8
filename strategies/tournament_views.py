"""One tournament: its page, its family tree, and both as files."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from strategies import queries
from strategies.family_tree import lay_out
from strategies.genealogy import TreeFilter, export_rows, read_card, read_genealogy
from strategies.leaderboard import standings
from strategies.models import Tournament
from strategies.tournament_page import SCORE_COLUMNS, TournamentPage
from trainingday.exceptions import InvalidArgument
from trainingday.exports import export
from trainingday.pages import asks_for

MAX_NODES = 1500
MAX_INDIVIDUALS = 100_000


def tournament(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(queries.query_tournaments().select_related("session"), pk=pk)
    page = TournamentPage(row)
    context = {
        "tournament": row,
        "run": row,
        "page": page,
        "live": page.live,
        "exam": row.summary.get("exam"),
    }
    part = "strategies/_standings.html" if asks_for(request, "standings") else "strategies/tournament.html"
    return render(request, part, context)


def genealogy(request: HttpRequest, pk: int) -> HttpResponse:
    """The tree of a tournament, narrowed as the address says; `?uid=` keeps one with all its ancestors."""
    row = get_object_or_404(Tournament.objects.select_related("market"), pk=pk)
    uid = request.GET.get("uid", "")
    context = {"tournament": row, "uid": uid, "card": read_card(row, uid) if uid else None}
    if asks_for(request, "card"):
        return render(request, "strategies/_gene_card.html", context)
    error, wanted = "", TreeFilter()
    try:
        wanted = TreeFilter.from_query(request.GET)
    except InvalidArgument as refusal:
        error = str(refusal)
    winner = row.summary.get("winner_uid") or ""
    tree = lay_out(read_genealogy(row, wanted, limit=MAX_NODES), uid or winner)
    families = row.configuration.get("families", [])
    context |= {"tree": tree, "wanted": wanted, "error": error, "winner": winner, "families": families}
    return render(request, "strategies/genealogy.html", context | {"max_nodes": MAX_NODES})


def leaderboard_file(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Every different strategy of a tournament with its validation scores."""
    row = get_object_or_404(Tournament, pk=pk)
    rows = ([getattr(line, name) for name in SCORE_COLUMNS] for line in standings(row))
    return export(kind, f"{row.public_id}-leaderboard", SCORE_COLUMNS, rows, {"tournament": row.pk})


def genealogy_file(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """Every individual of a tournament with its parents, at most 100,000."""
    row = get_object_or_404(Tournament, pk=pk)
    header, rows = export_rows(row, MAX_INDIVIDUALS)
    return export(kind, f"{row.public_id}-genealogy", header, rows, {"tournament": row.pk})
