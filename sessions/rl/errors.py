"""The errors of reinforcement learning."""

from trainingday.exceptions import TrainingDayError


class TrainingDiverged(TrainingDayError):  # noqa: N818 - named for the fact
    """Training broke: a loss, a reward or a weight is not finite, or weights exploded."""


class TrialPruned(TrainingDayError):  # noqa: N818
    """A trial was stopped because it was worse than the trials before it at the same checkpoint."""
