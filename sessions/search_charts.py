"""What a search showed: checkpoints of every trial, how settings go with scores, and trials as lines over axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sessions.charts import VALIDATION_AXIS
from sessions.models import Trial
from trainingday.charts import Chart, Trace
from trainingday.display import number, significant
from trainingday.typing import FloatArray

MIN_TRIALS = 5
LOG_SETTINGS = frozenset({"learning_rate", "episode_length", "n_steps", "risk_factor"})
WIDTH, HEIGHT, TOP, SIDE = 920, 260, 40, 60
N_TONES = 4
SCORED = (Trial.State.COMPLETE, Trial.State.PRUNED)


def intermediate_chart(trials: Sequence[Trial]) -> Chart:
    """Return validation Sharpe by checkpoint, one line for each trial, broken between trials."""
    traces = []
    for state, role, dash in (
        (Trial.State.COMPLETE, "validation", "solid"),
        (Trial.State.PRUNED, "dim", "dot"),
    ):
        x: list[int] = []
        y: list[float | None] = []
        labels: list[str] = []
        for trial in trials:
            if trial.state == state and trial.intermediate:
                steps = range(1, len(trial.intermediate) + 1)
                x += [*steps, steps[-1]]
                y += [*trial.intermediate, None]
                labels += [*(f"trial {trial.index}, checkpoint {step}" for step in steps), ""]
        traces.append(
            Trace(str(state.value), x, y, role=role, dash=dash, mode="lines+markers", labels=labels)
        )
    return Chart("Checkpoint of ten", VALIDATION_AXIS, traces)


class Importance(NamedTuple):
    """How one setting goes with the score over the trials.

    `value` of a number is Spearman's rank correlation with `low` and `high` its 95 % interval (Fisher's z); of
    a choice it is the correlation ratio, the share of the scores' variance between choices, without interval.
    """

    name: str
    what: str
    value: float
    low: float | None
    high: float | None
    n: int


def importances(trials: Sequence[Trial]) -> list[Importance]:
    """Return settings, the one that goes with the score most first; [] under 5 scored trials."""
    scored = [trial for trial in trials if trial.state in SCORED]
    if len(scored) < MIN_TRIALS:
        return []
    scores = np.array([trial.score or 0.0 for trial in scored])
    names = dict.fromkeys(name for trial in scored for name in trial.hyperparameters)
    rows = [
        _importance(name, [trial.hyperparameters.get(name) for trial in scored], scores) for name in names
    ]
    return sorted((row for row in rows if row), key=lambda row: -abs(row.value))


def _importance(name: str, values: Sequence[Any], scores: FloatArray) -> Importance | None:
    if len({str(value) for value in values}) < 2 or float(np.ptp(scores)) == 0.0:
        return None
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        rho = float(np.corrcoef(_ranks(np.array(values, dtype=np.float64)), _ranks(scores))[0, 1])
        if len(values) <= 3 or abs(rho) >= 1.0:
            return Importance(name, "rank correlation", rho, None, None, len(values))
        half = 1.96 / math.sqrt(len(values) - 3)
        low, high = (math.tanh(math.atanh(rho) + side) for side in (-half, half))
        return Importance(name, "rank correlation", rho, low, high, len(values))
    groups = [scores[[str(value) == key for value in values]] for key in {str(value) for value in values}]
    between = sum(len(group) * (group.mean() - scores.mean()) ** 2 for group in groups)
    share = float(between / ((scores - scores.mean()) ** 2).sum())
    return Importance(name, "share of variance", share, None, None, len(values))


def _ranks(values: FloatArray) -> FloatArray:
    """Return mean ranks, ties shared."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: FloatArray = (ends - (counts - 1) / 2.0)[places]
    return ranks


@dataclass(frozen=True)
class Axis:
    name: str
    x: float
    low: str
    high: str


@dataclass(frozen=True)
class Line:
    points: str
    tone: int
    is_pruned: bool
    title: str


@dataclass(frozen=True)
class ParallelCoordinates:
    """Trials as lines over one axis for each setting and the score; places are in the SVG's units."""

    axes: list[Axis]
    lines: list[Line]
    width: int = WIDTH
    height: int = HEIGHT
    top: int = TOP
    bottom: int = HEIGHT - TOP


def parallel_coordinates(trials: Sequence[Trial]) -> ParallelCoordinates | None:
    """Return the lines of scored trials, the best ones last and in the strongest tone; None where nothing varies."""
    scored = [trial for trial in trials if trial.state in SCORED]
    if len(scored) < 2:
        return None
    columns = _columns(scored)
    if len(columns) < 2:
        return None
    scales = {name: _scale(name, values) for name, values in columns.items()}
    step = (WIDTH - 2 * SIDE) / (len(columns) - 1)
    axes = [
        Axis(name.replace("_", " "), round(SIDE + place * step, 1), *scale[1:])
        for place, (name, scale) in enumerate(scales.items())
    ]
    order = sorted(range(len(scored)), key=lambda row: scored[row].score or 0.0)
    lines = []
    for rank, row in enumerate(order):
        trial = scored[row]
        heights = [scales[name][0](values[row]) for name, values in columns.items()]
        points = " ".join(
            f"{axis.x},{TOP + (HEIGHT - 2 * TOP) * (1 - height):.1f}"
            for axis, height in zip(axes, heights, strict=True)
        )
        tone = min(N_TONES - 1, rank * N_TONES // len(order))
        title = f"trial {trial.index}, {trial.state}: validation Sharpe {significant(trial.score, 3)}"
        lines.append(Line(points, tone, trial.state == Trial.State.PRUNED, title))
    return ParallelCoordinates(axes, lines)


def _columns(trials: Sequence[Trial]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for trial in trials for name in trial.hyperparameters)
    columns = {name: [trial.hyperparameters.get(name) for trial in trials] for name in names}
    varied = {name: values for name, values in columns.items() if len({str(value) for value in values}) > 1}
    return varied | {"validation Sharpe": [trial.score or 0.0 for trial in trials]}


def _scale(name: str, values: Sequence[Any]) -> tuple[Callable[[Any], float], str, str]:
    """Return a function from a value to 0..1, and what stands at the axis' ends."""
    is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not is_number:
        choices = sorted({_text(value) for value in values})
        span = max(len(choices) - 1, 1)
        return (lambda value: choices.index(_text(value)) / span), choices[0], choices[-1]
    is_log = name in LOG_SETTINGS and min(values) > 0
    low, high = (math.log(edge) if is_log else float(edge) for edge in (min(values), max(values)))
    span_of = (high - low) or 1.0
    return (
        lambda value: ((math.log(value) if is_log else float(value)) - low) / span_of,
        _end(min(values)),
        _end(max(values)),
    )


def _end(value: float) -> str:
    return number(value, 0) if abs(value) >= 100 else significant(value, 2)


def _text(value: Any) -> str:
    return "×".join(str(part) for part in value) if isinstance(value, list) else str(value)
