"""Charts as plain data: what is drawn, never how; static/js/charts.js gives them colours and axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trainingday.display import is_defined, thin
from trainingday.typing import JSONDict

MAX_TABLE_ROWS = 300


@dataclass(frozen=True)
class Trace:
    """One series.

    Attributes
    ----------
    role : str
        What it is, for its colour: "train", "validation", "test", "accent", "dim", "family-1" ...
    mode : str
        "lines", "markers" or "lines+markers".
    low, high : sequence, optional
        A band around the series.
    labels : sequence of str, optional
        What hovering over each point says.
    group : str, optional
        What the legend says once for all series of the group.
    """

    name: str
    x: Sequence[Any]
    y: Sequence[float | None]
    role: str = "validation"
    mode: str = "lines"
    dash: str = "solid"
    symbol: str = "circle"
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    labels: Sequence[str] = ()
    group: str = ""

    def as_dict(self) -> JSONDict:
        """Return the trace with at most 2,000 points, undefined values as null."""
        chosen = thin(range(len(self.x)))
        drawn: JSONDict = {"name": self.name, "role": self.role, "mode": self.mode}
        drawn |= {
            "dash": self.dash,
            "symbol": self.symbol,
            "group": self.group,
            "x": [self.x[i] for i in chosen],
        }
        for key in ("y", "low", "high"):
            values = getattr(self, key)
            if values or key == "y":  # a live page appends to y, however empty it began
                drawn[key] = [_rounded(values[i]) for i in chosen]
        if self.labels:
            drawn["labels"] = [self.labels[i] for i in chosen]
        return drawn


@dataclass(frozen=True)
class Chart:
    """A plot with the titles of its axes, units included, and the table that stands behind it.

    `bands` are spans of x, each a dict of from, to, role and label.
    """

    x: str
    y: str
    traces: Sequence[Trace]
    bands: Sequence[JSONDict] = field(default=())
    is_time: bool = False

    @property
    def spec(self) -> JSONDict:
        return {
            "x": self.x,
            "y": self.y,
            "is_time": self.is_time,
            "traces": [trace.as_dict() for trace in self.traces],
            "bands": list(self.bands),
        }

    @property
    def table(self) -> list[tuple[str, Any, Any]]:
        """Return (series, x, y) rows, at most 300 in all."""
        rows = [(t.name, x, y) for t in self.traces for x, y in zip(t.x, t.y, strict=True)]
        return thin(rows, MAX_TABLE_ROWS)

    @property
    def n_points(self) -> int:
        return sum(len(trace.x) for trace in self.traces)


def _rounded(value: Any) -> float | None:
    return float(f"{value:.6g}") if is_defined(value) else None
