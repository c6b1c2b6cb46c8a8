"""The plots of patterns: their shape, where they were seen, and how they have done since."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from patterns.models import PatternSighting
from trainingday.charts import Chart, Trace
from trainingday.markets.models import moment
from trainingday.typing import JSONDict

ROLLING_WINDOW = 30
OUTCOMES = ((True, "success", "good"), (False, "no success", "bad"), (None, "open", "dim"))


def template_chart(template: JSONDict, paths: Sequence[JSONDict] = ()) -> Chart:
    """Return the mean path of a pattern with its band and single sightings; empty where none is known."""
    offset, mean = template.get("offset") or [], template.get("mean") or []
    low, high = template.get("low") or [], template.get("high") or []
    traces = [Trace("mean path", offset, mean, role="train", low=low, high=high)]
    drawn = [match["path"] for match in paths if len(match["path"]) == len(offset)]
    if drawn:
        # One series of all of them; an undefined point ends each line.
        y = [value for path in drawn for value in (*path, None)]
        traces.insert(0, Trace("newest matches", [*offset, offset[-1]] * len(drawn), y, role="dim"))
    return Chart("Bars from the decision", "Price in deviations", traces)


def occurrences_chart(drawn: JSONDict) -> Chart:
    """Return closes with a mark at each sighting, by how it ended."""
    times = [_iso(stamp) for stamp in drawn["times_us"]]
    traces = [Trace("close", times, drawn["close"], role="dim")]
    for outcome, name, role in OUTCOMES:
        marks = [mark for mark in drawn["marks"] if mark["is_success"] is outcome]
        if marks:
            x, y = [_iso(mark["bar_us"]) for mark in marks], [mark["close"] for mark in marks]
            traces.append(Trace(name, x, y, role=role, mode="markers"))
    return Chart("Bar, UTC", "Price in the quote currency", traces, is_time=True)


def rolling_chart(sightings: Sequence[PatternSighting], base_rate: float | None) -> Chart:
    """Return the success rate of the last 30 known sightings after each one, beside the base rate."""
    known = [row for row in sightings if row.is_success is not None]
    x = [_iso(row.bar_us) for row in known][ROLLING_WINDOW - 1 :]
    wins = np.cumsum([0, *(bool(row.is_success) for row in known)])
    rates = 100 * (wins[ROLLING_WINDOW:] - wins[:-ROLLING_WINDOW]) / ROLLING_WINDOW
    traces = [Trace(f"of the last {ROLLING_WINDOW}", x, rates.tolist() if x else [])]
    if base_rate is not None and x:
        traces.append(Trace("base rate", [x[0], x[-1]], [100 * base_rate] * 2, role="dim", dash="dot"))
    return Chart("Sighting", "Success rate [%]", traces, is_time=True)


def recognition_chart(scans: Sequence[JSONDict]) -> Chart:
    """Return recognition rate, plain accuracy with its interval, and base rate after each scan."""
    x = [scan["created_at"] for scan in scans]

    def series(name: str) -> list[float | None]:
        return [None if scan.get(name) is None else 100 * scan[name] for scan in scans]

    accuracy = Trace(
        "plain accuracy, 95 % interval",
        x,
        series("accuracy"),
        mode="lines+markers",
        low=series("accuracy_low"),
        high=series("accuracy_high"),
    )
    base = Trace("base rate", x, series("base_rate"), role="dim", mode="lines+markers", dash="dot")
    score = Trace("recognition rate", x, series("score"), role="accent", mode="lines+markers")
    return Chart("Scan, UTC", "Share [%]", [score, accuracy, base] if x else [], is_time=True)


def _iso(stamp_us: int) -> str:
    return moment(stamp_us).isoformat()
