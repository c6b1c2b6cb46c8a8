"""The errors of reinforcement learning."""

from trainingday.exceptions import TrainingDayError


class TrainingDiverged(TrainingDayError):
    """Training broke: a loss, a reward or a weight is not finite, or weights exploded."""


class TrialPruned(TrainingDayError):
    """A trial was stopped because it was worse than the trials before it at the same checkpoint."""
