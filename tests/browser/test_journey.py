"""A first visit, whole: log in, import, start, watch, read the verdict, promote, schedule, cancel, compare.

The session's work is committed from another process as a worker's child does; real training has tests of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser.server import Site, log_in
from tests.markets import gaussian_bars

pytestmark = pytest.mark.browser
# What a worker's child commits, as another process: search, a trial, and the end with its verdict.
BEGIN = """
session = TrainingSession.objects.get(pk={pk})
TrainingSession.objects.filter(pk={pk}).update(state="running", stage="search", progress=0.4, started_at=timezone.now())
pages.add_event(session, 1, "attempt", fence=1)
pages.add_event(session, 2, "stage", stage="search", progress=0.4, eta_seconds=60)
"""
TRIAL = """
session = TrainingSession.objects.get(pk={pk})
trial = Trial.objects.create(session=session, index=0, batch=0, seed=1, state="complete", score=0.25,
    hyperparameters={{"algorithm": "dqn", "gamma": 0.97}}, seconds=12.0)
pages.add_event(session, 3, "trial", index=0, state="complete", score=0.25, hyperparameters=trial.hyperparameters,
    seconds=12.0, n_done=1, n_total=20, best=0.25)
"""
END = """
reason = "Not proven: these bars do not show that it beats buy and hold."
session = TrainingSession.objects.get(pk={pk})
session.report = {{"gate": {{"verdict": "not_proven", "reason": reason, "rules": []}}}}
session.state, session.verdict, session.reason, session.finished_at = "succeeded", "not_proven", reason, timezone.now()
session.save()
pages.add_event(session, 4, "finished", state="succeeded", reason=reason)
"""


@pytest.fixture(scope="module")
def people(site: Site) -> None:
    site.do("""
for role in ("operator", "admin"):
    pages.make_user(role)
""")


@pytest.fixture
def bars_file(tmp_path: Path) -> Path:
    """Return 2,500 hourly bars of noise as a file that a person may have at hand."""
    bars = gaussian_bars(2500, seed=5)
    times = np.datetime_as_string(bars.timestamps.astype("datetime64[us]").astype("datetime64[s]"))
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    lines = ["time,open,high,low,close,volume"]
    lines += [",".join([time, *(f"{c[i]:.8f}" for c in columns)]) for i, time in enumerate(times)]
    path = tmp_path / "my bars.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_from_the_first_visit_to_a_champion(page: Any, site: Site, people: None, bars_file: Path) -> None:
    page.goto(site.url)
    assert page.url.startswith(f"{site.url}/login/")
    log_in(page, site, "operator")

    page.goto(f"{site.url}/markets/import/")
    page.locator("#id_file").set_input_files(bars_file)
    page.locator("#id_symbol").fill("JOURNEY/USD")
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("What was detected").wait_for()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("Imported 2,500 bars").wait_for()

    pk = start_session(page, site)
    site.do(BEGIN.format(pk=pk))
    page.locator('[data-live="state"]', has_text="running").wait_for()
    site.do(TRIAL.format(pk=pk))
    page.locator('[data-trial="0"]').wait_for()
    site.do(END.format(pk=pk))
    page.locator(".verdict", has_text="These bars do not show").wait_for()

    page.get_by_role("button", name="Log out").click()
    log_in(page, site, "admin")
    promote(page, site)
    page.goto(site.url)
    card = page.locator("article", has_text="JOURNEYUSD-1h")
    assert "taken up again by hand" in card.inner_text()
    card.get_by_text("Position").wait_for()
    page.goto(f"{site.url}/audit/")
    page.get_by_text("to see it on home").first.wait_for()

    schedule(page, site)
    cancel_another(page, site)
    compare(page, site)


def start_session(page: Any, site: Site) -> int:
    page.goto(f"{site.url}/sessions/start/")
    page.get_by_label("Market").select_option("JOURNEYUSD-1h")
    page.get_by_label("Seed").fill("11")
    page.locator("main").get_by_role("button", name="Start").click()
    page.wait_for_url("**/sessions/*/")
    return int(page.url.rstrip("/").rpartition("/")[2])


def promote(page: Any, site: Site) -> None:
    strategy = site.do("""
from strategies.positions import get_or_create_strategy
from strategies.services import retire
from tests.strategies.helpers import earn_reign
strategy = get_or_create_strategy(Market.objects.get(symbol="JOURNEY/USD"), "momentum", {})
retire(earn_reign(strategy), reason="to take it up again", user=pages.User.objects.get(username="admin"))
answer = strategy.pk
""")
    page.goto(f"{site.url}/strategies/{strategy}/")
    page.get_by_text("Promote again").click()
    page.get_by_label("Reason").fill("to see it on home")
    page.get_by_role("button", name="Promote").click()
    page.wait_for_load_state()


def schedule(page: Any, site: Site) -> None:
    page.goto(f"{site.url}/schedules/")
    page.get_by_role("link", name="Add a schedule").click()
    page.locator("#id_name").fill("nightly journey")
    page.locator("#id_market").select_option(label="JOURNEYUSD-1h")
    page.locator("#id_cron").fill("30 2 * * *")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto(f"{site.url}/schedules/?market=JOURNEYUSD-1h")
    plan = page.locator("section", has_text="nightly journey")
    assert "02:30" in plan.inner_text()
    page.goto(site.url)
    page.get_by_text("nightly journey").wait_for()


def cancel_another(page: Any, site: Site) -> None:
    start_session(page, site)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    page.locator('[data-live="state"]', has_text="cancelled").wait_for()


def compare(page: Any, site: Site) -> None:
    page.goto(f"{site.url}/sessions/?market=JOURNEYUSD-1h")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare the ticked").click()
    page.get_by_role("heading", name="Settings that differ").wait_for()
    assert page.get_by_text("It has not ended with a strategy yet").count() == 2
