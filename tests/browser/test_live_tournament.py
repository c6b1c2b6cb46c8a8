"""A tournament that really runs: its chart grows while one looks, and the button stops it within five seconds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.server import Site, log_in
from tests.browser.worker import SECONDS_TO_STOP, cancel, worker

pytestmark = [pytest.mark.browser, pytest.mark.slow]
POPULATION = 2000  # so large that its 200 generations take a minute at least
POINTS = '[data-live-chart="generations"] .scatterlayer .trace:first-child .point'


@pytest.fixture
def market(site: Site) -> str:
    """Return a market with bars, and make an operator."""
    slug: str = site.do("""
from tests.markets import gaussian_bars
from trainingday.markets.services import get_or_create_market, load_bars
pages.make_user("operator")
market, _ = get_or_create_market("LIVE/USD", "test", 3600, calendar="crypto")
load_bars(market, gaussian_bars(30_000, 5), "browser test")
answer = market.slug
""")
    return slug


def start(page: Any, site: Site, market: str) -> int:
    page.goto(f"{site.url}/tournaments/start/")
    page.get_by_label("Market").select_option(market)
    page.get_by_label("Generations").fill("200")
    page.get_by_label("Population size").fill(str(POPULATION))
    page.get_by_role("spinbutton", name="Seed").fill("3")
    page.locator("main").get_by_role("button", name="Start").click()
    page.wait_for_url("**/tournaments/*/")
    return int(page.url.rstrip("/").rsplit("/", 1)[1])


def test_a_tournament_is_watched_live_and_stopped(page: Any, site: Site, market: str) -> None:
    page.set_default_timeout(120_000)
    log_in(page, site, "operator")
    pk = start(page, site, market)
    page.get_by_text("No generation has been scored yet.").wait_for()
    with worker(site, "tournament", pk) as process:
        page.locator(POINTS).nth(1).wait_for()
        seen = page.locator(POINTS).count()
        page.locator(POINTS).nth(seen).wait_for()  # it grows without a reload
        assert cancel(page) < SECONDS_TO_STOP
        assert process.wait(20) == 0
    page.get_by_role("button", name="Cancel").wait_for(state="detached")
    state, n_generations, generations, n_rows = site.do(f"""
from strategies.models import Tournament
tournament = Tournament.objects.get(pk={pk})
generations = set(tournament.performances.values_list("generation", flat=True))
answer = [tournament.state, len(tournament.history), sorted(generations), tournament.performances.count()]
""")
    assert state == "cancelled"
    assert generations == list(range(n_generations)) and n_rows >= POPULATION
    assert seen < n_generations < 201
    page.reload()
    page.locator(POINTS).nth(n_generations - 1).wait_for()
    assert page.locator(POINTS).count() == n_generations
