"""The plots of sessions and models: validation scores only, a test curve is never among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sessions.models import ModelVersion, Trial
from trainingday.charts import Chart, Trace
from trainingday.display import is_defined, significant
from trainingday.typing import JSONDict

SYMBOLS = {"complete": "circle", "pruned": "x-thin-open", "failed": "cross-thin-open"}
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
VALIDATION_AXIS = "Validation Sharpe ratio, annualised"


def trial_chart(trials: Sequence[Trial]) -> Chart:
    """Return score by trial with the best so far; a trial without a score is not drawn."""
    traces = []
    for state, symbol in SYMBOLS.items():
        rows = [trial for trial in trials if trial.state == state and is_defined(trial.score)]
        traces.append(
            Trace(
                f"trial, {state}",
                [row.index for row in rows],
                [row.score for row in rows],
                role="validation" if state == "complete" else "dim",
                mode="markers",
                symbol=symbol,
            )
        )
    traces.append(_best_so_far(trials))
    return Chart("Trial", VALIDATION_AXIS, traces)


def _best_so_far(trials: Iterable[Trial]) -> Trace:
    x: list[int] = []
    y: list[float] = []
    for trial in trials:
        if trial.state == Trial.State.COMPLETE and trial.score is not None:
            x.append(trial.index)
            y.append(max(trial.score, y[-1]) if y else trial.score)
    return Trace("best so far", x, y, role="accent", mode="lines", dash="dot")


def curve_chart(points: Iterable[JSONDict]) -> Chart:
    """Return validation Sharpe by step, one line for each seed and part of the session.

    A point tells one step; with "points" it tells all checkpoints of a training that is done.
    """
    lines: dict[str, list[tuple[Any, Any]]] = {}
    groups: dict[str, str] = {}
    for point in points:
        name, whole = curve_name(point), point.get("points")
        if whole is not None:
            lines[name] = [(one["step"], one["validation_sharpe"]) for one in whole]
        elif is_defined(point.get("step")):
            lines.setdefault(name, []).append((point["step"], point.get("validation_sharpe")))
        groups[name] = point.get("part") or ""
    # The colour says "validation", as everywhere; dashes tell parts of a session apart, or the seeds of one model.
    styles = list(dict.fromkeys(groups[name] or name for name in lines))
    traces = [
        Trace(
            name,
            [x for x, _ in line],
            [y if is_defined(y) else None for _, y in line],
            mode="lines+markers",
            role="dim" if name.startswith("baseline") else "validation",
            dash=DASHES[styles.index(groups[name] or name) % len(DASHES)],
            group=groups[name],
        )
        for name, line in lines.items()
    ]
    return Chart("Training step (bars learned from)", VALIDATION_AXIS, traces)


def curve_name(point: JSONDict) -> str:
    part = point.get("part")
    seed = f"seed {point['seed']}" if "seed" in point else "this model"
    return f"{part}, {seed}" if part else seed


def model_chart(model: ModelVersion) -> Chart:
    """Return the learning curve of each of the model's seeds."""
    members = [member for member in model.members if isinstance(member, dict)]
    return curve_chart(
        {**point, "seed": member.get("seed")} for member in members for point in member.get("curve") or []
    )


def parameter_text(hyperparameters: JSONDict) -> str:
    """Return hyperparameters as one line for a table."""
    parts = [f"{name} {_value(value)}" for name, value in hyperparameters.items() if name != "algorithm"]
    return ", ".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "×".join(str(part) for part in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else significant(value, 3)
