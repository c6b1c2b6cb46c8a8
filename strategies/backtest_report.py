"""A backtest as one HTML file that needs nothing else: plots, styles and scripts are inside."""

from __future__ import annotations

import os
import tempfile
from importlib.resources import files
from pathlib import Path

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import mark_safe

from strategies.backtest_pages import backtest_page
from strategies.backtests import BacktestReport
from trainingday.exceptions import InvalidArgument

STYLES = ("tokens", "layout", "components", "markets", "backtest", "print")
MAX_TRADE_ROWS = 2000


def render_report(report: BacktestReport) -> str:
    """Return the HTML of a report; the same fragment as on the page, with what it needs inlined."""
    static = Path(settings.BASE_DIR) / "static"
    sheets = {name: (static / "css" / f"{name}.css").read_text("utf-8") for name in STYLES}
    sheets["print"] = f"@media print {{ {sheets['print'].replace('@page { margin: 16mm 14mm; }', '')} }}"
    plotly = (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")
    context = {
        "page": backtest_page(report, MAX_TRADE_ROWS),
        "now": timezone.now(),
        # Our own files and plotly's: trusted, and free of closing tags.
        "styles": mark_safe("\n".join(sheets.values())),  # noqa: S308
        "plotly": mark_safe(plotly),  # noqa: S308
        "charts": mark_safe((static / "js" / "charts.js").read_text("utf-8")),  # noqa: S308
    }
    return render_to_string("strategies/backtest_report.html", context)


def write_report(report: BacktestReport, path: Path) -> Path:
    """Write the report whole or not at all and return its absolute path.

    Raises
    ------
    InvalidArgument
        If the path is a folder, its folder does not exist, or it cannot be written.
    """
    target = path.absolute()
    if target.is_dir():
        raise InvalidArgument(f"output should be a file, is the folder {path}")
    if not target.parent.is_dir():
        raise InvalidArgument(f"output should be in an existing folder, is {path}")
    content = render_report(report)
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".backtest-", suffix=".html")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(content)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidArgument(f"output should be writable, {path} is not: {error.strerror}") from error
    return target
