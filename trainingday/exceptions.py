"""The errors that Training Day raises on purpose."""


class TrainingDayError(Exception):
    """Root of every deliberate error; `retryable` says whether doing the same again can help."""

    retryable = False


class InvalidArgument(TrainingDayError, ValueError):
    """An argument is outside its bounds; the message names the argument, the bound and the value."""


class NotEnoughBars(InvalidArgument):
    """A dataset is too short for what was asked of it."""


class NotFound(TrainingDayError):
    """A market, dataset, preset or other named thing does not exist."""


class StateConflict(TrainingDayError):
    """The thing is in a state that forbids the request, such as cancelling a finished run."""


class FenceLost(TrainingDayError):
    """Another worker has claimed the run; this one must stop without writing."""


class RunCancelled(TrainingDayError):
    """The run's cancel flag was read; the work stops here."""


class ArtifactRejected(TrainingDayError):
    """A stored model file failed its size, signature, hash, shape or finiteness check."""


class StorageUnavailable(TrainingDayError):
    """Object storage could not be reached or refused; another attempt may find it."""

    retryable = True


class ExchangeUnavailable(TrainingDayError):
    """An exchange did not answer, answered nonsense or refused, also after repeated questions."""


class ImportRefused(TrainingDayError):
    """A market data file cannot be imported; carries the HTTP status, a stable code and the row."""

    def __init__(self, code: str, message: str, *, status: int = 422, row: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.row = row
