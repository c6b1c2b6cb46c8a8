"""What to try next: an Optuna study rebuilt from committed trials for each batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from sessions.rl.hyperparameters import ALGORITHMS, Hyperparameters, default_hyperparameters
from sessions.rl.monitor import N_CHECKPOINTS, rank_value
from trainingday.exceptions import InvalidArgument
from trainingday.typing import JSONDict

if TYPE_CHECKING:
    import optuna

MIN_TRIALS_TO_PRUNE = 4
N_RANDOM_TRIALS = 6  # beyond the defaults, before the sampler models anything
_TRIAL_STREAM, _BATCH_STREAM = 1, 2
# The exact policy gradient's ranges differ, so the sampler knows them under names of their own.
_EXACT_NAMES = {"window_length": "episode_length", "exact_ent_coef": "ent_coef"}
_NET_ARCHS = {"16": (16,), "32x32": (32, 32), "64x64": (64, 64)}


class TrialState(StrEnum):
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True)
class TrialRecord:
    """What the search remembers of a trial: a committed row."""

    index: int
    hyperparameters: Mapping[str, Any]
    state: str
    score: float | None
    intermediate: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class SearchSpace:
    """Bounds of the search.

    Attributes
    ----------
    algorithms : tuple of str
        The first trials are their defaults, in this order.
    learning_rate, gamma, gae_lambda, ent_coef, risk_factor : (low, high)
        `learning_rate` and `risk_factor` on a log scale. The exact policy gradient keeps gamma 1.
    episode_length, window_length : (low, high)
        On a log scale; the second is the exact policy gradient's, and so is `exact_ent_coef`.
    steps_factor : float
        Multiplies each algorithm's default number of steps.
    """

    algorithms: tuple[str, ...] = ("policy_gradient", "ppo", "dqn", "a2c")
    learning_rate: tuple[float, float] = (1e-5, 1e-2)
    gamma: tuple[float, float] = (0.8, 0.999)
    gae_lambda: tuple[float, float] = (0.5, 0.98)
    ent_coef: tuple[float, float] = (0.0, 0.05)
    exact_ent_coef: tuple[float, float] = (0.0, 0.2)
    risk_factor: tuple[float, float] = (0.3, 3.0)
    episode_length: tuple[int, int] = (64, 4096)
    window_length: tuple[int, int] = (32, 512)
    net_archs: tuple[str, ...] = tuple(_NET_ARCHS)
    steps_factor: float = 1.0

    def __post_init__(self) -> None:
        if not self.algorithms or set(self.algorithms) - set(ALGORITHMS):
            raise InvalidArgument(f"algorithms should be some of {ALGORITHMS}, are {self.algorithms}")
        if not self.net_archs or set(self.net_archs) - set(_NET_ARCHS):
            raise InvalidArgument(f"net_archs should be some of {tuple(_NET_ARCHS)}, are {self.net_archs}")
        if not 0.0 < self.steps_factor <= 1000.0:
            raise InvalidArgument(f"steps_factor should be in (0, 1000], is {self.steps_factor}")


DEFAULT_SPACE = SearchSpace()


def trial_seed(run_seed: int, index: int) -> int:
    """Return a trial's own seed, derived from the run's: the same after a restart."""
    return _derived(run_seed, _TRIAL_STREAM, index)


def _derived(run_seed: int, stream: int, index: int) -> int:
    if run_seed < 0 or index < 0:
        raise InvalidArgument(f"run_seed and index should be >= 0, are {run_seed} and {index}")
    return int(np.random.SeedSequence(run_seed, spawn_key=(stream, index)).generate_state(1)[0])


def pruning_thresholds(completed: Sequence[TrialRecord]) -> tuple[float, ...]:
    """Return the median over completed trials of the best score so far at each checkpoint.

    Empty with fewer than 4 completed trials, so that the first ones are never pruned. An undefined ratio
    counts as 0.
    """
    paths = [
        np.maximum.accumulate([rank_value(value) for value in record.intermediate])
        for record in completed
        if record.state == TrialState.COMPLETE and len(record.intermediate) >= N_CHECKPOINTS
    ]
    if len(paths) < MIN_TRIALS_TO_PRUNE:
        return ()
    return tuple(float(value) for value in np.median([path[:N_CHECKPOINTS] for path in paths], axis=0))


def suggest_batch(
    completed: Sequence[TrialRecord],
    batch_index: int,
    batch_size: int,
    run_seed: int,
    space: SearchSpace = DEFAULT_SPACE,
) -> list[JSONDict]:
    """Return hyperparameters of the next `batch_size` trials.

    The result depends on the arguments alone: a study is rebuilt in memory from the records, in order of
    index, and asked with a sampler (TPE, Bergstra et al. 2011; constant liar within the batch) whose seed
    is derived from the run's and the batch's. So a resumed search goes on as an undisturbed one, whatever
    the number of workers. The first trials are the algorithms' defaults.

    Raises
    ------
    InvalidArgument
        If `batch_size` < 1, or a record does not fit the space.
    """
    if batch_size < 1:
        raise InvalidArgument(f"batch_size should be >= 1, is {batch_size}")
    records = sorted(completed, key=lambda record: record.index)
    n_defaults = max(0, min(batch_size, len(space.algorithms) - len(records)))
    batch = [
        _with_steps(default_hyperparameters(algorithm), space)
        for algorithm in space.algorithms[len(records) : len(records) + n_defaults]
    ]
    if n_defaults == batch_size:
        return [hyperparameters.as_dict() for hyperparameters in batch]
    study = _rebuilt_study(records, _derived(run_seed, _BATCH_STREAM, batch_index), space)
    batch += [_suggest(study.ask(), space) for _ in range(batch_size - n_defaults)]
    return [hyperparameters.as_dict() for hyperparameters in batch]


def _with_steps(hyperparameters: Hyperparameters, space: SearchSpace) -> Hyperparameters:
    n_steps = max(1, round(hyperparameters.n_steps * space.steps_factor))
    return Hyperparameters.from_dict({**hyperparameters.as_dict(), "n_steps": n_steps})


def _rebuilt_study(records: Sequence[TrialRecord], seed: int, space: SearchSpace) -> optuna.Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    n_startup = len(space.algorithms) + N_RANDOM_TRIALS
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=n_startup, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials([_frozen(record, space) for record in records])
    return study


def _suggest(trial: optuna.Trial, space: SearchSpace) -> Hyperparameters:
    algorithm = trial.suggest_categorical("algorithm", list(space.algorithms))
    chosen: JSONDict = {"algorithm": algorithm}
    for name, distribution in _distributions(algorithm, space).items():
        chosen[name] = trial._suggest(name, distribution)
    return _with_steps(_as_hyperparameters(chosen), space)


def _as_hyperparameters(chosen: JSONDict) -> Hyperparameters:
    values = {**chosen, "net_arch": _NET_ARCHS[chosen["net_arch"]]}
    for own, common in _EXACT_NAMES.items():
        if own in values:
            values[common] = values.pop(own)
    return Hyperparameters.from_dict(values)


def _distributions(algorithm: str, space: SearchSpace) -> dict[str, Any]:
    """Return what is searched beside the algorithm: only what the algorithm reads."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {
        "learning_rate": FloatDistribution(*space.learning_rate, log=True),
        "risk_factor": FloatDistribution(*space.risk_factor, log=True),
        "net_arch": CategoricalDistribution(list(space.net_archs)),
    }
    if algorithm == "policy_gradient":
        found["window_length"] = IntDistribution(*space.window_length, log=True)
        found["exact_ent_coef"] = FloatDistribution(*space.exact_ent_coef)
    else:
        found["episode_length"] = IntDistribution(*space.episode_length, log=True)
        found["gamma"] = FloatDistribution(*space.gamma)
    if algorithm in ("ppo", "a2c"):
        found["ent_coef"] = FloatDistribution(*space.ent_coef)
        found["gae_lambda"] = FloatDistribution(*space.gae_lambda)
    return found


def _frozen(record: TrialRecord, space: SearchSpace) -> optuna.trial.FrozenTrial:
    import optuna
    from optuna.distributions import CategoricalDistribution

    hyperparameters = Hyperparameters.from_dict(record.hyperparameters)
    distributions = _distributions(hyperparameters.algorithm, space)
    values = hyperparameters.as_dict()
    values.update({own: values[common] for own, common in _EXACT_NAMES.items()})
    values["net_arch"] = "x".join(map(str, hyperparameters.net_arch))
    params = {name: values[name] for name in distributions}
    distributions["algorithm"] = CategoricalDistribution(list(space.algorithms))
    params["algorithm"] = hyperparameters.algorithm
    state = {
        TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
        TrialState.PRUNED: optuna.trial.TrialState.PRUNED,
        TrialState.FAILED: optuna.trial.TrialState.FAIL,
    }[TrialState(record.state)]
    value = rank_value(record.score) if state is optuna.trial.TrialState.COMPLETE else None
    steps = {step: rank_value(score) for step, score in enumerate(record.intermediate)}
    try:
        return optuna.trial.create_trial(
            params=params, distributions=distributions, value=value, state=state, intermediate_values=steps
        )
    except ValueError as error:
        raise InvalidArgument(f"trial {record.index} does not fit the search space: {error}") from error
