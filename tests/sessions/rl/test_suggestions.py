"""Suggestions: a function of committed trials, so that a resumed search repeats an undisturbed one."""

from dataclasses import replace

import pytest

from sessions.rl.hyperparameters import Hyperparameters, default_hyperparameters
from sessions.rl.monitor import N_CHECKPOINTS
from sessions.rl.suggestions import (
    SearchSpace,
    TrialRecord,
    TrialState,
    pruning_thresholds,
    suggest_batch,
    trial_seed,
)
from trainingday.exceptions import InvalidArgument

SPACE = SearchSpace(steps_factor=0.5)


def _outcome(index: int, hyperparameters: dict[str, object]) -> TrialRecord:
    """Return a made-up result that a smaller learning rate and DQN make better; every fifth trial breaks."""
    score = -(float(hyperparameters["learning_rate"]) * 300) + (hyperparameters["algorithm"] == "dqn")
    if index % 5 == 4:
        return TrialRecord(index, hyperparameters, TrialState.FAILED, None, (0.1,))
    if index % 5 == 3:
        return TrialRecord(index, hyperparameters, TrialState.PRUNED, score, (score, score - 1, None))
    return TrialRecord(index, hyperparameters, TrialState.COMPLETE, score, (score,) * N_CHECKPOINTS)


def _search(n_batches: int, batch_size: int, run_seed: int, space: SearchSpace = SPACE) -> list[TrialRecord]:
    records: list[TrialRecord] = []
    for batch in range(n_batches):
        for suggested in suggest_batch(records, batch, batch_size, run_seed, space):
            records.append(_outcome(len(records), suggested))
    return records


def test_the_first_trials_are_the_algorithms_defaults() -> None:
    suggested = suggest_batch([], 0, 4, 1)
    expected = [default_hyperparameters(algorithm).as_dict() for algorithm in SearchSpace().algorithms]
    assert suggested == expected
    assert suggest_batch([], 0, 2, 1) == expected[:2]


def test_steps_are_the_defaults_times_the_factor() -> None:
    for record in _search(4, 4, 1):
        algorithm = record.hyperparameters["algorithm"]
        assert record.hyperparameters["n_steps"] == default_hyperparameters(algorithm).n_steps // 2


def test_a_resumed_search_suggests_what_an_undisturbed_one_does() -> None:
    whole = _search(5, 4, run_seed=3)
    for done in (1, 2, 4):
        kept = whole[: done * 4]
        resumed = suggest_batch(list(reversed(kept)), done, 4, 3, SPACE)
        assert resumed == [record.hyperparameters for record in whole[done * 4 : done * 4 + 4]]


def test_another_run_seed_or_batch_suggests_others() -> None:
    records = _search(3, 4, run_seed=3)
    first = suggest_batch(records, 3, 4, 3, SPACE)
    assert suggest_batch(records, 3, 4, 4, SPACE) != first
    assert suggest_batch(records, 4, 4, 3, SPACE) != first


def test_suggestions_of_a_batch_differ() -> None:
    suggested = suggest_batch(_search(3, 4, 1), 3, 4, 1, SPACE)
    assert len({str(values) for values in suggested}) == 4


def test_every_suggestion_is_within_the_space_and_valid() -> None:
    for record in _search(10, 4, run_seed=5)[len(SPACE.algorithms) :]:
        h = Hyperparameters.from_dict(record.hyperparameters)
        assert SPACE.learning_rate[0] <= h.learning_rate <= SPACE.learning_rate[1]
        assert SPACE.risk_factor[0] <= h.risk_factor <= SPACE.risk_factor[1]
        if h.algorithm == "policy_gradient":
            assert SPACE.window_length[0] <= h.episode_length <= SPACE.window_length[1]
        else:
            assert SPACE.episode_length[0] <= h.episode_length <= SPACE.episode_length[1]
            assert SPACE.gamma[0] <= h.gamma <= SPACE.gamma[1]


def test_the_search_moves_to_what_scores_well() -> None:
    records = _search(12, 4, run_seed=6)
    late = [record.hyperparameters for record in records[24:]]
    assert sum(values["algorithm"] == "dqn" for values in late) > len(late) / 2


def test_a_search_over_one_algorithm_tries_no_other() -> None:
    records = _search(3, 4, 1, SearchSpace(algorithms=("ppo",)))
    assert {record.hyperparameters["algorithm"] for record in records} == {"ppo"}


def test_trial_seeds_are_stable_and_distinct() -> None:
    seeds = [trial_seed(7, index) for index in range(1000)]
    assert seeds == [trial_seed(7, index) for index in range(1000)]
    assert len(set(seeds)) == 1000
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert trial_seed(8, 0) != seeds[0]


def test_pruning_waits_for_four_completed_trials_and_takes_the_median_of_the_best_so_far() -> None:
    def record(index: int, *scores: float | None) -> TrialRecord:
        return TrialRecord(index, {}, TrialState.COMPLETE, max(s or 0 for s in scores), scores)

    rising = record(0, *range(N_CHECKPOINTS))
    falling = record(1, *range(N_CHECKPOINTS, 0, -1))
    flat = record(2, *[None] * N_CHECKPOINTS)
    losing = record(3, *[-1.0] * N_CHECKPOINTS)
    assert pruning_thresholds([rising, falling, flat]) == ()
    assert pruning_thresholds([rising, falling, flat, replace(losing, state=TrialState.FAILED)]) == ()
    # Best so far at the second checkpoint: 1, 10, 0, -1; its median is 0.5.
    thresholds = pruning_thresholds([rising, falling, flat, losing])
    assert len(thresholds) == N_CHECKPOINTS
    assert thresholds[1] == pytest.approx(0.5)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="batch_size"):
        suggest_batch([], 0, 0, 1)
    with pytest.raises(InvalidArgument, match="algorithms should be some of"):
        SearchSpace(algorithms=("sarsa",))
    with pytest.raises(InvalidArgument, match="steps_factor"):
        SearchSpace(steps_factor=0.0)
    with pytest.raises(InvalidArgument, match="run_seed and index"):
        trial_seed(-1, 0)
    odd = {**default_hyperparameters("ppo").as_dict(), "learning_rate": 0.5}
    records = [TrialRecord(index, odd, TrialState.COMPLETE, 1.0) for index in range(4)]
    with pytest.raises(InvalidArgument, match="does not fit the search space"):
        suggest_batch(records, 1, 1, 1)
