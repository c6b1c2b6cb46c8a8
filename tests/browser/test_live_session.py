"""Log in, start, watch live, reload: in headless Chromium against a live server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.server import Site, log_in
from tests.pages import PASSWORD

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def market(site: Site) -> str:
    """Return a market with bars, and users of two roles."""
    slug: str = site.do("""
from trainingday.bars import Bars
from trainingday.markets.services import get_or_create_market, load_bars
for role in ("viewer", "operator"):
    pages.make_user(role)
rng = np.random.default_rng(5)
n = 4000
close = 100 * np.exp(np.cumsum(rng.normal(0, 0.005, n)))
opened = np.concatenate([[100.0], close[:-1]])
stamps = 1_500_000_000_000_000 + 3_600_000_000 * np.arange(n, dtype=np.int64)
bars = Bars.create(stamps, opened, np.maximum(opened, close), np.minimum(opened, close), close)
market, _ = get_or_create_market("BTC/USD", "test", 3600, calendar="crypto")
load_bars(market, bars, "browser test")
answer = market.slug
""")
    return slug


def new_running_session(site: Site, market: str) -> int:
    """Return a session that a worker is at, with one trial done."""
    pk: int = site.do(f"""
market = Market.objects.get(slug={market!r})
TrainingSession.objects.filter(market=market).update(state="succeeded")
session = pages.make_session(market, market.datasets.first(), state="running", stage="search", progress=0.3,
    started_at=timezone.now())
pages.add_event(session, 1, "attempt", fence=1)
pages.add_event(session, 2, "stage", stage="search", progress=0.3, eta_seconds=100)
pages.add_trials(session, 1)
answer = session.pk
""")
    return pk


def add_trial(site: Site, pk: int, index: int, seq: int) -> None:
    """Commit a trial with its event, as a worker's child does."""
    site.do(f"""
session = TrainingSession.objects.get(pk={pk})
with transaction.atomic():
    trial = Trial.objects.create(session=session, index={index}, batch=0, seed=1, state="complete", score=1.25,
        hyperparameters={{"algorithm": "dqn", "gamma": 0.97}}, seconds=12.0)
    pages.add_event(session, {seq}, "trial", index=trial.index, state=trial.state, score=trial.score,
        hyperparameters=trial.hyperparameters, seconds=trial.seconds, n_done={index + 1}, n_total=20, best=1.25)
    pages.add_event(session, {seq + 1}, "note", text="note number {seq + 1}")
    pages.add_event(session, {seq + 2}, "curve", seed=3, part="training", step=1000, n_steps=2000, steps_per_second=9.0,
        validation_sharpe=0.4)
    TrainingSession.objects.filter(pk=session.pk).update(progress=0.5)
""")


def shown(page: Any) -> dict[str, Any]:
    """Return what a reader sees of a session's progress."""
    return {
        "trials": [row.split() for row in page.locator('[data-live="trials"] tbody tr').all_inner_texts()],
        "log": page.locator('[data-live="log"] li').all_inner_texts(),
        "done": page.locator('[data-live="n-done"]').inner_text(),
        "percent": page.locator('[data-live="percent"]').inner_text(),
        "now": page.locator("[data-stage].is-now").get_attribute("data-stage"),
        "points": page.locator('[data-live-chart="trials"] .scatterlayer .point').count(),
    }


def test_a_wrong_password_is_refused_and_a_right_one_lets_in(page: Any, site: Site, market: str) -> None:
    page.goto(f"{site.url}/sessions/")
    page.get_by_label("Username").fill("viewer")
    page.get_by_label("Password").fill("wrong")
    page.locator("main").get_by_role("button", name="Log in").click()
    page.get_by_text("Please enter a correct username and password").wait_for()
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Training sessions").wait_for()
    assert page.get_by_role("link", name="Start a training session").count() == 0


def test_an_operator_starts_a_session_from_the_form_and_cancels_it(
    page: Any, site: Site, market: str
) -> None:
    log_in(page, site, "operator")
    page.get_by_role("link", name="Start a training session").first.click()
    page.get_by_label("Market").select_option(market)
    page.get_by_label("Seed").fill("11")
    page.locator("main").get_by_role("button", name="Start").click()
    page.wait_for_url("**/sessions/*/")
    assert "queued" in page.locator('[data-live="state"]').inner_text()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    page.locator('[data-live="state"]', has_text="cancelled").wait_for()


def test_a_training_that_is_done_replaces_its_points_and_a_part_stands_in_the_legend_once(
    page: Any, site: Site, market: str
) -> None:
    pk = new_running_session(site, market)
    log_in(page, site, "viewer")
    page.goto(f"{site.url}/sessions/{pk}/")
    add_trial(site, pk, 1, seq=3)
    points = page.locator('[data-live-chart="curve"] .scatterlayer .point')
    points.first.wait_for()
    site.do(f"""
session = TrainingSession.objects.get(pk={pk})
for seq, seed in ((6, 3), (7, 4)):
    points = [{{"step": 500 * step, "validation_sharpe": 0.1 * step}} for step in range(1, 6)]
    pages.add_event(session, seq, "curve", seed=seed, part="training", points=points)
""")
    for _ in range(2):
        points.nth(9).wait_for()
        assert points.count() == 10
        assert page.locator('[data-live-chart="curve"] .legendtext').all_text_contents() == ["training"]
        page.reload()


def test_events_arrive_live_without_duplicates_and_a_reload_shows_the_same(
    page: Any, site: Site, market: str
) -> None:
    pk = new_running_session(site, market)
    log_in(page, site, "viewer")
    page.goto(f"{site.url}/sessions/{pk}/")
    page.locator('[data-live-chart="trials"] .scatterlayer .point').first.wait_for()
    add_trial(site, pk, 1, seq=3)
    page.get_by_text("note number 4").wait_for()
    add_trial(site, pk, 2, seq=6)
    page.get_by_text("note number 7").wait_for()
    page.locator('[data-live="percent"]', has_text="50 %").wait_for()
    page.locator('[data-live-chart="curve"] .scatterlayer .point').first.wait_for()
    page.wait_for_function(
        "document.querySelectorAll('[data-live-chart=\"trials\"] .scatterlayer .point').length === 3"
    )
    live = shown(page)
    assert [row[0] for row in live["trials"]] == ["0", "1", "2"]
    assert len(live["log"]) == len(set(live["log"])) == 4
    page.reload()
    page.locator('[data-live-chart="trials"] .scatterlayer .point').nth(2).wait_for()
    assert shown(page) == live


def test_a_lost_socket_is_marked_stale_and_catches_up(page: Any, site: Site, market: str) -> None:
    pk = new_running_session(site, market)
    log_in(page, site, "viewer")
    page.goto(f"{site.url}/sessions/{pk}/")
    page.route_web_socket("**/ws/runs/**", lambda socket: socket.close())
    page.reload()
    page.get_by_text("Stale: not connected").wait_for()
    add_trial(site, pk, 1, seq=3)
    page.unroute_all()
    page.route_web_socket("**/ws/runs/**", lambda socket: socket.connect_to_server())
    page.get_by_text("note number 4").wait_for()
    page.get_by_text("Stale: not connected").wait_for(state="hidden")
    assert page.locator('[data-trial="1"]').count() == 1


def test_the_end_of_a_run_brings_its_verdict_without_a_reload(page: Any, site: Site, market: str) -> None:
    pk = new_running_session(site, market)
    log_in(page, site, "viewer")
    page.goto(f"{site.url}/sessions/{pk}/")
    page.get_by_text("The candidate sits its exam").wait_for()
    site.do(f"""
reason = "Not proven: these bars do not show that it beats the champion."
session = TrainingSession.objects.get(pk={pk})
session.report = {{"gate": {{"verdict": "not_proven", "reason": reason, "rules": []}}}}
session.state, session.verdict, session.reason, session.finished_at = "succeeded", "not_proven", reason, timezone.now()
session.save()
pages.add_event(session, 3, "finished", state="succeeded", reason=reason)
""")
    page.locator(".verdict", has_text="These bars do not show").wait_for()
    assert page.locator('[data-live="state"]').inner_text() == "succeeded"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_free_of_console_errors_and_fits_a_phone(
    page: Any, site: Site, market: str, theme: str
) -> None:
    log_in(page, site, "operator")
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": 390, "height": 844})
    paths = [
        "/", "/sessions/", "/sessions/start/", "/models/", "/tournaments/", "/tournaments/start/", "/champions/",
        f"/champions/{market}/", "/patterns/", "/patterns/scan/", "/schedules/", "/workers/", "/sessions/1/report/",
    ]  # fmt: skip
    for path in paths:
        assert page.goto(site.url + path).status == 200
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{path} is {width} px wide"


def test_the_theme_toggle_is_remembered(page: Any, site: Site, market: str) -> None:
    log_in(page, site, "viewer")
    toggle = page.locator("[data-theme-toggle]")
    toggle.click()
    toggle.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto(f"{site.url}/workers/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 21, 19)"
