"""Pictures of every page, to be looked at: `python -m tests.browser.gallery FOLDER [STATE ...]`.

Three states of the product (nothing in it; a session and a tournament running; two years of data), each at two
widths and in both themes, with the phone's menu and the pages that people print. `--home FOLDER` takes the
pictures of a product that is there already. Contact sheets lie beside the pictures.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.addresses import known_pages
from tests.browser.server import CHROMIUM, Site, log_in, serve

VIEWS = {"wide": (1440, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
PRINTED = re.compile(r"/sessions/\d+/|/report/|/models/\d+/$|/reports/|/backtest/\?|/tournaments/\d+/$")
STATES = {
    "empty": "pages.make_user('admin')",
    "running": """
from tests.history import add_breeding, add_running, make_one_market
pages.make_user("admin")
market = make_one_market()
add_running(market)
add_breeding(market)
""",
    "years": """
from tests.history import add_breeding, add_running, make_history
pages.make_user("admin")
markets = make_history()
add_running(markets[0])
add_breeding(markets[1])
""",
}
# (columns, pictures on a sheet, height of a picture to its width)
SHEETS = {"wide": (2, 4, 0.9), "phone": (5, 5, 2.6), "print": (3, 3, 1.5)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("states", nargs="*", choices=[*STATES, []])
    parser.add_argument("--home", type=Path, help="a product that is there already, with a user admin")
    parser.add_argument("--only", default="", metavar="REGEX", help="only addresses that match")
    wanted = parser.parse_args()
    states = {wanted.home.name: "pages.make_user('admin')"} if wanted.home else STATES
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        for state in [name for name in states if name in wanted.states or not wanted.states]:
            with tempfile.TemporaryDirectory() as scratch, serve(wanted.home or Path(scratch)) as site:
                site.do(states[state])
                shots = take(chromium, site, wanted.folder / state, re.compile(wanted.only))
                print(f"{state}: {len(shots)} pictures in {wanted.folder / state}")
                for kind, (columns, size, height) in SHEETS.items():
                    for theme in THEMES:
                        own = [shot for shot in shots if shot.name.endswith(f".{kind}-{theme}.png")]
                        make_sheets(
                            chromium, own, wanted.folder / f"{state}-{kind}-{theme}", columns, size, height
                        )
        chromium.close()


def take(chromium: Browser, site: Site, folder: Path, only: re.Pattern[str]) -> list[Path]:
    """Return the pictures of every page, and of what a person sees on paper."""
    folder.mkdir(parents=True, exist_ok=True)
    return [shot for view in VIEWS for shot in _take_view(chromium, site, folder, view, only)]


def _take_view(
    chromium: Browser, site: Site, folder: Path, view: str, only: re.Pattern[str]
) -> Iterator[Path]:
    width, height = VIEWS[view]
    context = chromium.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    page = context.new_page()
    page.on("pageerror", lambda error: print(f"! {page.url}: {error}", file=sys.stderr))
    log_in(page, site, "admin")
    for address in [address for address in known_pages(site) if only.search(address)]:
        page.goto(site.url + address)
        page.wait_for_timeout(500)
        name = re.sub(r"[^a-z0-9]+", "-", address.lower()).strip("-") or "home"
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            yield _picture(page, folder / f"{name}.{view}-{theme}.png")
        if view == "wide" and PRINTED.search(address):
            page.emulate_media(media="print", color_scheme="dark")
            page.set_viewport_size({"width": 720, "height": 1018})
            yield _picture(page, folder / f"{name}.print-dark.png")
            page.emulate_media(media="screen")
            page.set_viewport_size({"width": width, "height": height})
        elif view == "phone" and address == "/":
            page.get_by_role("button", name="Menu").click()
            yield _picture(page, folder / f"{name}-menu.{view}-{theme}.png")
    context.close()


def _picture(page: Page, path: Path) -> Path:
    page.wait_for_timeout(150)
    page.screenshot(path=path, full_page=True)
    return path


def make_sheets(
    chromium: Browser, shots: list[Path], stem: Path, columns: int, size: int, height: float
) -> None:
    """Write sheets of a few pictures each, with their names below them."""
    edge = 1600 // columns - 12
    style = f"""
    body {{ margin: 6px; display: grid; grid-template-columns: repeat({columns}, {edge}px); gap: 10px; }}
    body {{ background: #888; font: 13px sans-serif; }} figure {{ margin: 0; }} img {{ width: 100%; }}
    figure div {{ height: {int(edge * height)}px; overflow: hidden; }}"""
    page: Any = chromium.new_page(viewport={"width": 1612, "height": 200})
    for number in range(0, len(shots), size):
        cells = "".join(
            f'<figure><div><img src="{shot.resolve().as_uri()}"></div><figcaption>{shot.stem}</figcaption></figure>'
            for shot in shots[number : number + size]
        )
        sheet = stem.parent / "sheet.html"
        sheet.write_text(f"<style>{style}</style>{cells}")
        page.goto(sheet.resolve().as_uri())
        page.screenshot(path=f"{stem}-{number // size + 1:02d}.png", full_page=True)
        sheet.unlink()
    page.close()


if __name__ == "__main__":
    main()
