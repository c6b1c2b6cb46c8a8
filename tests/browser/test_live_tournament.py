"""A tournament that really runs: its chart grows while one looks, and the button stops it within five seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Site, log_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SECONDS_TO_STOP = 5.0
START_MILLISECONDS = 150_000  # the worker's child has to load, and to compile where nothing has yet
POINTS = '[data-live-chart="generations"] .scatterlayer .trace:first-child .point'


@pytest.fixture
def market(site: Site) -> str:
    """Return a market with bars, and a user who may operate."""
    slug: str = site.do("""
from tests.markets import gaussian_bars
from trainingday.markets.services import get_or_create_market, load_bars
pages.make_user("operator")
market, _ = get_or_create_market("LIVE/USD", "test", 3600, calendar="crypto")
load_bars(market, gaussian_bars(4000, 5), "browser test")
answer = market.slug
""")
    return slug


@pytest.fixture
def worker(site: Site) -> Iterator[Any]:
    """Return what supervises a tournament as the long cluster does, and wait for its end afterwards."""
    site.do("pages.supervisors = []")

    def work(pk: int) -> None:
        site.do(f"""
import threading
from trainingday.runs.supervisor import supervise
pages.supervisors.append(threading.Thread(target=supervise, args=("tournament", {pk})))
pages.supervisors[-1].start()
""")

    yield work
    site.do("""
Tournament.objects.filter(state="running").update(is_cancel_requested=True)
for supervisor in pages.supervisors:
    supervisor.join()
""")


def test_a_tournament_is_watched_live_and_stopped(page: Any, site: Site, market: str, worker: Any) -> None:
    log_in(page, site, "operator")
    page.goto(f"{site.url}/tournaments/start/")
    page.get_by_label("Market").select_option(market)
    page.get_by_label("Generations").fill("200")
    page.get_by_label("Population size").fill("400")
    page.get_by_role("spinbutton", name="Seed").fill("3")
    page.locator("main").get_by_role("button", name="Start").click()
    page.wait_for_url("**/tournaments/*/")
    pk = int(page.url.rstrip("/").rsplit("/", 1)[1])
    page.get_by_text("No generation has been scored yet.").wait_for()

    worker(pk)
    page.locator(POINTS).nth(1).wait_for(timeout=START_MILLISECONDS)
    seen = page.locator(POINTS).count()
    page.locator(POINTS).nth(seen).wait_for()  # it grows without a reload
    page.locator("#standings tbody tr").first.wait_for()

    page.once("dialog", lambda dialog: dialog.accept())
    began = time.monotonic()
    page.get_by_role("button", name="Cancel").click()
    page.locator('[data-live="state"]', has_text="cancelled").wait_for()
    assert time.monotonic() - began < SECONDS_TO_STOP

    page.get_by_role("button", name="Cancel").wait_for(state="detached")
    kept = site.do(f"""
from strategies.models import *
tournament = Tournament.objects.get(pk={pk})
generations = set(tournament.performances.values_list("generation", flat=True))
answer = [tournament.state, len(tournament.history), sorted(generations), tournament.performances.count()]
""")
    state, n_generations, generations, n_rows = kept
    assert state == "cancelled"
    assert generations == list(range(n_generations))
    assert n_rows == 400 * n_generations
    assert seen < n_generations < 201
    page.reload()
    page.locator(POINTS).nth(n_generations - 1).wait_for()
    assert page.locator(POINTS).count() == n_generations
