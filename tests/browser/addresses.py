"""The address of every page, and the rows of a product that fill it in."""

from __future__ import annotations

import string
from typing import Any

from tests.browser.server import Site

PAGES = (
    "/", "/sessions/", "/sessions/{running}/", "/sessions/{ended}/", "/sessions/{failed}/", "/sessions/{ended}/report/",
    "/sessions/start/", "/replays/{replay}/", "/models/", "/models/{model}/", "/models/{model}/plots/",
    "/models/upload/", "/tournaments/", "/tournaments/{breeding}/", "/tournaments/{tournament}/",
    "/tournaments/{tournament}/genealogy/", "/tournaments/start/", "/strategies/", "/strategies/{strategy}/",
    "/champions/", "/champions/{market}/", "/patterns/", "/patterns/{pattern}/", "/patterns/scan/",
    "/patterns/scans/{scan}/", "/patterns/signal/{market}/", "/markets/", "/markets/{market}/", "/markets/import/",
    "/markets/profiles/", "/markets/downloads/", "/markets/downloads/start/", "/markets/downloads/{download}/",
    "/schedules/", "/workers/", "/backtest/", "/backtest/?market={market}&strategy=momentum&run=1",
    "/compare/sessions/?id={ended}&id={other}", "/compare/models/", "/reports/", "/reports/written/",
    "/reports/{written}/", "/settings/", "/audit/", "/tokens/", "/honesty/", "/nothing/",
)  # fmt: skip
# One row of each kind that a page is about; None where the product holds none.
ROWS = """
from patterns.models import Pattern, PatternScan
from sessions.models import ModelVersion, SessionReplay, TrainingSession, WrittenReport
from strategies.models import Champion, Strategy, Tournament
from trainingday.downloads.models import Download

def one(rows, field="pk", place=0):
    found = list(rows.values_list(field, flat=True)[: place + 1])
    return found[place] if place < len(found) else None

ended = TrainingSession.objects.filter(state="succeeded").order_by("market", "pk")
answer = {
    "market": one(Market.objects.filter(datasets__isnull=False).order_by("pk"), "slug"),
    "running": one(TrainingSession.objects.filter(state="running")),
    "ended": one(ended), "other": one(ended, place=1),
    "failed": one(TrainingSession.objects.filter(state="failed")),
    "replay": one(SessionReplay.objects.all()),
    "model": one(ModelVersion.objects.filter(session=one(ended))),
    "breeding": one(Tournament.objects.filter(state="running")),
    "tournament": one(Tournament.objects.filter(state="succeeded", performances__isnull=False)),
    "strategy": one(Strategy.objects.filter(reigns__isnull=False)) or one(Strategy.objects.all()),
    "pattern": one(Pattern.objects.filter(sightings__isnull=False)) or one(Pattern.objects.all()),
    "scan": one(PatternScan.objects.all()),
    "download": one(Download.objects.all()),
    "written": one(WrittenReport.objects.all()),
}
"""


def known_pages(site: Site) -> list[str]:
    """Return the addresses of all pages that the product's rows allow."""
    rows: dict[str, Any] = site.do(ROWS)
    return [
        address.format(**rows)
        for address in PAGES
        if all(rows[name] is not None for _, name, _, _ in string.Formatter().parse(address) if name)
    ]
