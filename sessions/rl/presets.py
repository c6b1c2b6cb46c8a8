"""Budgets of a training session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trainingday.exceptions import NotFound


@dataclass(frozen=True)
class Preset:
    """How much a session spends on learning.

    Attributes
    ----------
    n_trials : int
        Hyperparameter sets tried.
    batch_size : int
        Trials suggested at a time; part of the result, so not taken from the number of workers.
    steps_factor : float
        Steps of a trial, as a multiple of its algorithm's default.
    n_final_seeds : int
        Trainings of the best hyperparameters.
    final_steps_factor : float
        Their steps, as a multiple of the default.
    ensemble_size : int
        How many of them, best on validation first, trade their mean position.
    budget_seconds : float
        What the learning is meant to take on two cores; a session that takes many times as long is ended
        (`sessions.services.TIME_BUDGET_FACTOR`).
    meaning : str
    """

    name: str
    n_trials: int
    batch_size: int
    steps_factor: float
    n_final_seeds: int
    final_steps_factor: float
    ensemble_size: int
    budget_seconds: float
    meaning: str

    def final_steps(self, n_steps: int, steps_factor: float = 1.0) -> int:
        """Return the steps of a final training whose settings hold `steps_factor` times their algorithm's default."""
        return round(n_steps * self.final_steps_factor / steps_factor)


PRESETS: Final = {
    "quick": Preset("quick", 20, 4, 0.25, 3, 1.0, 3, 60.0, "A report in about a minute"),
    "standard": Preset("standard", 20, 4, 1.0, 5, 1.0, 5, 600.0, "At most ten minutes"),
    "hour": Preset("hour", 100, 4, 2.0, 10, 2.0, 5, 3600.0, "About an hour"),
}


def get_preset(name: str) -> Preset:
    """Return a preset, or raise NotFound naming those there are."""
    if name not in PRESETS:
        raise NotFound(f"preset should be one of {', '.join(PRESETS)}, is {name!r}")
    return PRESETS[name]
