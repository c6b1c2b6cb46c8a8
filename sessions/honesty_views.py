"""The page "How honest is this?": the newest measurement of each part, and how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sessions.models import HonestyRun
from trainingday.typing import JSONDict

PARTS = {
    "models": "Models",
    "tournaments": "Tournaments",
    "patterns": "Patterns",
}
N_SHOWN = 20


@dataclass(frozen=True)
class MeasuredPart:
    """The newest run that measured a part, and its lines of that part."""

    name: str
    title: str
    run: HonestyRun
    lines: list[JSONDict]

    @property
    def n_failed(self) -> int:
        return sum(line["has_passed"] is False for line in self.lines)


def honesty(request: HttpRequest) -> HttpResponse:
    runs = list(HonestyRun.objects.all()[:N_SHOWN])
    return render(request, "sessions/honesty.html", {"runs": runs, "parts": _newest_parts(runs)})


def _newest_parts(runs: Sequence[HonestyRun]) -> list[MeasuredPart]:
    found = []
    for name, title in PARTS.items():
        run = next((run for run in runs if name in run.parts), None)
        if run is not None:
            lines = [line for line in run.results if line["part"] == name]
            found.append(MeasuredPart(name, title, run, lines))
    return found
