"""A tournament whose generations a cluster scores: the bits of one process, whatever happens to a worker."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strategies import tournament as module
from strategies.cluster_scoring import score_on_cluster
from strategies.genetic.chunks import CHUNK
from strategies.genetic.evolve import Evaluation
from strategies.genetic.fitness import FitnessOptions
from strategies.genetic.genes import BreedingFamily, GeneSpace
from strategies.library.registry import get_family
from strategies.models import Tournament
from strategies.positions import get_or_create_strategy
from strategies.scoring import FrozenEntrant, ValidationScorer
from strategies.tournament import execute, run_tournament
from tests.cluster import Cluster, Victim
from tests.markets import gaussian_bars
from tests.strategies.helpers import (
    context_of,
    links_of,
    null_market,
    outcome_of,
    room,
    rows_of,
    save_model,
    tournament,
)
from trainingday.backtest.engine import Costs
from trainingday.compute.bundles import save_bundle
from trainingday.compute.executor import TaskExecutor
from trainingday.exceptions import InvalidArgument, RunCancelled
from trainingday.runs.child import work
from trainingday.runs.models import RunState
from trainingday.typing import FloatArray

NAMES = ("momentum", "breakout", "donchian", "bollinger", "filtered_trend")
BARS = gaussian_bars(1500, seed=3)
Batch = tuple[BreedingFamily, FloatArray]


class TwoThreads(Executor):
    """Stands in for a cluster of two workers: a task is pickled and meets its bars there."""

    def __init__(self, bundle: Path) -> None:
        self._pool, self._bundle = ThreadPoolExecutor(2), bundle

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._pool.submit(self._evaluate, pickle.dumps((function, *args)))

    def _evaluate(self, message: bytes) -> Any:
        function, task = pickle.loads(message)
        return function(task.at(str(self._bundle), self._bundle.parent))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[TaskExecutor]:
    bundle = tmp_path / "bars.npz"
    save_bundle(bundle, BARS)
    executor = TaskExecutor(partial(TwoThreads, bundle), is_cluster=True)
    yield executor
    executor.close(wait=True)


def scorer_of(on_progress: Callable[[int], None] = lambda n: None) -> ValidationScorer:
    options = FitnessOptions(min_trades=1)
    return ValidationScorer(BARS, slice(700, 1500), Costs(0.001, 0.0005), 8760.0, options, on_progress)


def batch_of(name: str, n: int, seed: int = 1) -> Batch:
    family = get_family(name)
    return family, GeneSpace.of(family).sample(n, np.random.default_rng(seed))


def assert_same(ours: Evaluation, theirs: Evaluation) -> None:
    np.testing.assert_array_equal(ours.fitness, theirs.fitness)
    assert list(ours.diagnostics) == list(theirs.diagnostics)
    for name, column in ours.diagnostics.items():
        np.testing.assert_array_equal(column, theirs.diagnostics[name], err_msg=name)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 2 * CHUNK + 1), min_size=1),
    seed=st.integers(0, 2**31),
)
def test_a_cluster_scores_any_generation_as_one_process(
    workers: TaskExecutor, sizes: dict[str, int], seed: int
) -> None:
    batches = [batch_of(name, n, seed) for name, n in sizes.items()]
    scored: list[int] = []
    found = score_on_cluster(workers, scorer_of(scored.append), batches)
    assert sum(scored) == sum(sizes.values())
    for (family, genomes), evaluation in zip(batches, found, strict=True):
        assert_same(evaluation, scorer_of()(family, genomes))


@pytest.mark.django_db
def test_a_model_is_scored_by_the_runs_own_process(workers: TaskExecutor) -> None:
    frozen = FrozenEntrant("ml_model", save_model(feature=0))
    batches: list[Batch] = [batch_of("donchian", 3), (frozen, np.empty((1, 0))), batch_of("momentum", 130)]
    found = score_on_cluster(workers, scorer_of(), batches)
    for (family, genomes), evaluation in zip(batches, found, strict=True):
        assert_same(evaluation, scorer_of()(family, genomes))


def test_a_worker_refuses_bars_behind_validation(workers: TaskExecutor) -> None:
    early = replace(scorer_of(), bars=BARS[:1400], validation=slice(700, 1400))
    with pytest.raises(InvalidArgument, match="bars should end with validation at 1400, hold 1500"):
        score_on_cluster(workers, early, [batch_of("momentum", 2)])


def test_who_watches_the_progress_may_stop_it(workers: TaskExecutor) -> None:
    def cancel(n: int) -> None:
        raise RunCancelled("enough")

    with pytest.raises(RunCancelled):
        score_on_cluster(workers, scorer_of(cancel), [batch_of("momentum", 300)])


@pytest.mark.django_db
def test_a_tournament_takes_the_executor_that_it_is_given(tmp_path: Path) -> None:
    market, dataset, bars = null_market()
    _, split = room(market, dataset, bars)
    save_bundle(tmp_path / "bars.npz", bars[: split.validation.stop])
    facts, context = [], context_of(tournament(market))
    submitted: list[str] = []

    class Counted(TwoThreads):
        def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            submitted.append(function.__name__)
            return super().submit(function, *args, **kwargs)

    for is_cluster in (False, True):
        part = Tournament.objects.create(
            market=market, dataset=dataset, seed=7, is_part=True, n_generations=2,
            configuration=context.run.configuration,
        )  # fmt: skip
        executor = TaskExecutor(partial(Counted, tmp_path / "bars.npz"), is_cluster=is_cluster)
        run_tournament(context, part, bars, split, executor=executor)
        executor.close(wait=True)
        assert bool(submitted) is is_cluster
        facts.append((rows_of(part), links_of(part), outcome_of(part)))
    assert facts[0] == facts[1]
    assert set(submitted) == {"evaluate_chunk"}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("search", ["genetic", "nsga2"])
def test_a_tournament_is_the_same_on_dask_with_a_worker_killed_midway(
    settings: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, search: str
) -> None:
    """With a model among its entrants: the second generation's chunks lie with a worker that dies."""
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)
    artifact, facts = save_model(feature=0), {}
    victim = Victim(cluster, Path(settings.TRAININGDAY_HOME))
    store_generation = module.store_generation

    def store_then_kill(*arguments: Any) -> None:
        store_generation(*arguments)
        victim.stop_then_kill()

    for name in ("inline", "processes", cluster.name):
        settings.TRAININGDAY_EXECUTOR = name
        market = null_market(f"MARKET{len(facts)}")[0]
        get_or_create_strategy(market, "ml_model", {}, artifact)
        if name == cluster.name:
            monkeypatch.setattr(module, "store_generation", store_then_kill)
        run = tournament(market, population_size=300, n_generations=3, search=search)
        assert work(context_of(run)) == 0
        facts[name] = (rows_of(run), links_of(run), outcome_of(run))
        assert run.state == RunState.SUCCEEDED, run.reason
    assert victim.was_killed_at_work()
    assert facts["inline"] == facts["processes"] == facts[cluster.name]
    rows, links, _ = facts["inline"]
    assert len(rows) >= 4 * 300 and links
    assert any(row["strategy_name"] == "ml_model" and row["fitness"] is not None for row in rows)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_cancel_is_seen_while_no_worker_is_there(
    settings: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TRAININGDAY_EXECUTOR = cluster.name
    run = tournament(null_market()[0])
    context = context_of(run)
    tick, asked = context.tick, []

    def ask_to_stop(*arguments: Any) -> None:
        if not asked:
            Tournament.objects.filter(pk=run.pk).update(is_cancel_requested=True)
            asked.append(time.monotonic())
        tick(*arguments)

    monkeypatch.setattr(context, "tick", ask_to_stop)
    with pytest.raises(RunCancelled):
        execute(context)
    assert time.monotonic() - asked[0] < 5
