"""axe on every page, in both themes: no serious or critical finding; no page scrolls sideways on a phone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.addresses import known_pages
from tests.browser.server import Site, log_in

pytestmark = pytest.mark.browser
GRAVE = ("serious", "critical")
PRESSED = (
    "button, a.button, select, #site-nav a, summary, input:not([type=checkbox], [type=radio], [type=hidden])"
)


@pytest.fixture(scope="module")
def paths(site: Site) -> list[str]:
    """Return the addresses of a history with one session running; its users are made where there are none."""
    site.do("""
from django.contrib.auth.models import User
from tests.history import add_running, make_history
if not User.objects.filter(username="admin").exists():
    pages.make_user("admin")
add_running(make_history(n_sessions=60, n_trials=10, n_bars=2000)[0])
""")
    return known_pages(site)


@pytest.fixture
def visitor(browser: Any, site: Site, paths: list[str]) -> Any:
    """Return a signed-in window without the rule that a console error fails: a 404 is one of the pages."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(20_000)
    page = context.new_page()
    log_in(page, site, "admin")
    yield page
    context.close()


def grave_faults(page: Any, path: str, rules: dict[str, Any]) -> list[tuple[str, str, int, list[str]]]:
    from axe_playwright_python.sync_playwright import Axe

    answer = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response
    return [
        (path, fault["id"], len(fault["nodes"]), [node["html"][:160] for node in fault["nodes"][:3]])
        for fault in answer["violations"]
        if fault["impact"] in GRAVE
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_grave_on_any_page(theme: str, visitor: Any, site: Site, paths: list[str]) -> None:
    visitor.emulate_media(color_scheme=theme, reduced_motion="reduce")
    # What a page is made of is the same in both themes; only its colours have to be looked at twice.
    rules = {"runOnly": ["color-contrast"]} if theme == "dark" else {}
    found = []
    for path in paths:
        visitor.goto(site.url + path)
        found += grave_faults(visitor, path, rules)
    assert found == []


def test_axe_sees_a_fault_that_is_put_on_a_page(visitor: Any, site: Site) -> None:
    from axe_playwright_python.sync_playwright import Axe

    visitor.goto(f"{site.url}/tokens/")
    visitor.evaluate("""
        const main = document.getElementById("main");
        main.append(Object.assign(document.createElement("input"), { type: "text" }));
        const pale = Object.assign(document.createElement("p"), { textContent: "pale words" });
        pale.style.color = "rgb(225, 225, 225)";
        main.append(pale);
    """)
    found = {violation["id"] for violation in Axe().run(visitor).response["violations"]}
    assert {"label", "color-contrast"} <= found


def test_no_page_scrolls_sideways_on_a_phone(visitor: Any, site: Site, paths: list[str]) -> None:
    visitor.set_viewport_size({"width": 390, "height": 844})
    assert {path: over for path in paths if (over := too_wide(visitor, site.url + path)) > 0} == {}


def too_wide(page: Any, address: str) -> int:
    """Return by how many pixels a page is wider than its window."""
    page.goto(address)
    root = "document.documentElement"
    return int(page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))


def test_what_is_pressed_on_a_phone_is_as_high_as_a_finger(
    visitor: Any, site: Site, paths: list[str]
) -> None:
    """44 px, but for links in text and boxes to tick."""
    visitor.set_viewport_size({"width": 390, "height": 844})
    low: dict[str, list[str]] = {}
    for path in ("/", "/sessions/", "/sessions/start/", "/backtest/", "/settings/"):
        visitor.goto(site.url + path)
        visitor.locator("[data-menu]").click()
        low[path] = visitor.evaluate(f"""
            [...document.querySelectorAll("{PRESSED}")]
                .filter((node) => node.offsetParent && node.getBoundingClientRect().height < 43.5)
                .map((node) => node.outerHTML.slice(0, 120))
        """)
    assert {path: nodes for path, nodes in low.items() if nodes} == {}


def test_paper_is_light_and_wide_enough_also_where_the_screen_is_dark(
    visitor: Any, site: Site, paths: list[str]
) -> None:
    """688 px are 182 mm: A4 between its margins."""
    visitor.emulate_media(media="print", color_scheme="dark")
    visitor.set_viewport_size({"width": 688, "height": 974})
    found: list[Any] = []
    for path in [path for path in paths if "nothing" not in path]:
        if (over := too_wide(visitor, site.url + path)) > 0:
            found.append((path, over))
        found += grave_faults(visitor, path, {"runOnly": ["color-contrast"]})
    assert found == []


@pytest.mark.parametrize(
    "page_of", [r"/sessions/\d+/$", r"/markets/[A-Z0-9-]+-1h/$", r"/reports/$", r"/compare/sessions/"]
)
def test_charts_are_drawn_within_one_and_a_half_seconds_of_the_load(
    page_of: str, visitor: Any, site: Site, paths: list[str]
) -> None:
    """The best of three loads: what else the machine does may only make a load slower."""
    path = next(path for path in paths if re.match(page_of, path))
    waits = []
    for _ in range(3):
        visitor.goto(site.url + path, wait_until="load")
        visitor.locator(".plot .main-svg").first.wait_for()
        waits.append(
            visitor.evaluate("performance.now() - performance.getEntriesByType('navigation')[0].loadEventEnd")
        )
    assert min(waits) <= 1500, waits
