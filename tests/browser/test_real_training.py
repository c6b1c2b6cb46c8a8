"""A worker's child really trains while a page shows it, to the verdict: nothing is simulated."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.server import Site, log_in
from tests.browser.worker import SECONDS_TO_STOP, cancel, worker

pytestmark = [pytest.mark.browser, pytest.mark.slow]
# Notes every stage that is shown as the one at work.
WATCH = """
window.stages = [];
new MutationObserver(() => {
  const now = document.querySelector("[data-stage].is-now")?.dataset.stage;
  if (now && now !== window.stages.at(-1)) window.stages.push(now);
}).observe(document.body, { subtree: true, attributes: true, childList: true });
"""
TINY = {"DJANGO_SETTINGS_MODULE": "tests.browser.tiny_settings"}


@pytest.fixture(scope="module")
def market(site: Site) -> str:
    """Return a market with bars of noise, and make an operator."""
    slug: str = site.do("""
from tests.markets import gaussian_bars
from trainingday.markets.services import get_or_create_market, load_bars
pages.make_user("operator")
market, _ = get_or_create_market("REAL/USD", "test", 3600, calendar="crypto")
load_bars(market, gaussian_bars(2500, seed=5), "browser test")
answer = market.slug
""")
    return slug


def request(site: Site, market: str, n_trials: int) -> int:
    pk: int = site.do(f"""
from sessions.services import request_session
session = request_session(Market.objects.get(slug={market!r}), "quick", trigger="user", seed=3, n_trials={n_trials})
answer = session.pk
""")
    return pk


def test_a_real_training_is_seen_live_to_its_verdict(page: Any, site: Site, market: str) -> None:
    page.set_default_timeout(120_000)
    log_in(page, site, "operator")
    pk = request(site, market, n_trials=3)
    page.goto(f"{site.url}/sessions/{pk}/")
    page.evaluate(WATCH)
    with worker(site, "session", pk, **TINY) as process:
        page.locator('[data-live-chart="curve"] .scatterlayer .point').first.wait_for()
        for index in range(3):
            page.locator(f'[data-trial="{index}"]').wait_for()
        page.locator(".verdict .badge").first.wait_for()
        assert process.wait(20) == 0
    # Gone with a reload, which it took none of.
    assert set(page.evaluate("window.stages")) >= {"tournament", "search", "training"}
    assert page.locator('[data-live="state"]').inner_text() == "succeeded"
    state, verdict, n_trained, cpu_seconds = site.do(f"""
session = TrainingSession.objects.get(pk={pk})
trained = session.trials.filter(n_steps__gt=0).exclude(weights_hash="").count()
answer = [session.state, session.verdict, trained, session.cpu_seconds]
""")
    assert (state, n_trained) == ("succeeded", 3) and cpu_seconds > 1
    assert verdict.replace("_", " ") == page.locator(".verdict .badge").first.inner_text()


def test_a_real_training_is_cancelled_in_the_middle_of_its_trials(page: Any, site: Site, market: str) -> None:
    page.set_default_timeout(120_000)
    log_in(page, site, "operator")
    pk = request(site, market, n_trials=200)  # of the quick preset's own length: minutes of work
    page.goto(f"{site.url}/sessions/{pk}/")
    with worker(site, "session", pk) as process:
        page.locator('[data-trial="0"]').wait_for()
        assert cancel(page) < SECONDS_TO_STOP
        assert process.wait(20) == 0
    state, n_trials, n_models = site.do(f"""
session = TrainingSession.objects.get(pk={pk})
answer = [session.state, session.trials.count(), session.model_versions.count()]
""")
    assert state == "cancelled" and 1 <= n_trials < 200 and n_models == 0
