"""The product's settings with a preset that really trains, in seconds: for a worker of the browser tests."""

from dataclasses import replace

from sessions.rl.presets import PRESETS
from trainingday.settings import *  # noqa: F403

PRESETS["quick"] = replace(
    PRESETS["quick"],
    steps_factor=0.02,
    n_final_seeds=2,
    final_steps_factor=0.03,
    ensemble_size=2,
)
