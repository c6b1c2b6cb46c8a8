"""A whole session in line, on a pool and on a Dask cluster: the same bits, whatever happens to a worker."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from sessions import search_stage
from sessions.bits import compare
from sessions.models import ModelVersion, SessionReplay, TrainingSession, Trial
from sessions.services import request_replay
from strategies import tournament as tournament_module
from strategies.cluster_scoring import score_on_cluster
from strategies.genetic.evolve import Evaluation
from strategies.models import Look
from tests.cluster import Cluster, Victim, kill, wait_for
from tests.conftest import make_market
from tests.markets import gaussian_bars
from tests.strategies.helpers import links_of, outcome_of, rows_of
from trainingday.runs import services
from trainingday.runs.child import work
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunState, Trigger

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
RunSession = Callable[..., TrainingSession]
TRIAL_FIELDS = (
    "index", "batch", "hyperparameters", "seed", "state", "score", "reason", "intermediate", "blocks", "n_steps",
    "weights_hash",
)  # fmt: skip
MODEL_FIELDS = (
    "number", "stage", "stage_reason", "algorithm", "hyperparameters", "weights_hash", "validation",
    "validation_sharpe", "default_scores", "settings_choice", "overlay", "warm_start",
)  # fmt: skip
SESSION_FIELDS = (
    "state", "reason", "generation", "baseline_sharpe", "new_sharpe", "improvement_percent", "hyperparams_tested",
    "patterns_discovered", "dataset_hash", "verdict", "model_path",
)  # fmt: skip


def facts_of(session: TrainingSession) -> dict[str, Any]:
    """Return all that a session recorded but clocks, and numbers that count over all sessions."""
    report = session.report
    looks, tournament = Look.objects.filter(session=session), session.tournament
    assert tournament is not None
    return {
        "trials": list(Trial.objects.filter(session=session).order_by("index").values(*TRIAL_FIELDS)),
        "models": [
            {name: getattr(version, name) for name in MODEL_FIELDS} | {"members": _timeless(version.members)}
            for version in ModelVersion.objects.filter(session=session).order_by("number")
        ],
        "tournament": [rows_of(tournament), sorted(links_of(tournament)), outcome_of(tournament)],
        "session": {name: getattr(session, name) for name in SESSION_FIELDS},
        "looks": list(looks.values("verdict", "p_value", "level", "is_charged", "decision")),
        "report": {
            **report,
            "tournament": report["tournament"]["rows"],
            "cost": report["cost"]["looks"],
        },
    }


def _timeless(value: Any) -> Any:
    """Return a value without how long things took."""
    if isinstance(value, dict):
        return {key: _timeless(part) for key, part in value.items() if "second" not in key}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def test_a_session_is_the_same_in_line_on_a_pool_and_on_dask_with_a_worker_killed_midway(
    run_session: RunSession, settings: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies at a trial once another trial is committed; the tournament's chunks went over both."""
    bars = gaussian_bars(2500, seed=7)
    facts = []
    for name in ("inline", "processes"):
        settings.TRAININGDAY_EXECUTOR = name
        facts.append(facts_of(run_session(make_market(bars, name.upper()))))
    settings.TRAININGDAY_EXECUTOR = cluster.name
    victim, commit, scored = Victim(cluster, Path(settings.TRAININGDAY_HOME)), search_stage._commit, []

    def commit_then_kill(*args: Any) -> None:
        commit(*args)
        victim.kill_at_work()

    def score(*args: Any) -> list[Evaluation]:
        scored.extend(score_on_cluster(*args))
        return scored[-len(args[-1]) :]

    monkeypatch.setattr(search_stage, "_commit", commit_then_kill)
    monkeypatch.setattr(tournament_module, "score_on_cluster", score)
    facts.append(facts_of(run_session(make_market(bars, "DASK"))))
    assert victim.was_killed_at_work() and scored
    assert facts[0]["session"]["state"] == RunState.SUCCEEDED, facts[0]["session"]
    assert len(facts[0]["looks"]) == 1 and len(facts[0]["models"]) == 2
    assert compare("pool", facts[0], facts[1]) == compare("Dask", facts[0], facts[2]) > 1500


def test_a_replay_has_the_same_bits_on_a_worker_that_has_no_folder_but_object_storage(
    object_storage: Any, run_session: RunSession, settings: Any, cluster: Cluster, tmp_path: Path
) -> None:
    """One worker shares this machine's folder, and is killed; the other has an empty one."""
    session = run_session(make_market(gaussian_bars(2500, seed=7)))
    settings.TRAININGDAY_EXECUTOR = cluster.name
    sharing = cluster.add_worker(Path(settings.TRAININGDAY_HOME))
    killer = threading.Thread(target=_kill_at_work, args=(cluster, sharing, tmp_path / "far"))
    killer.start()
    replay = request_replay(session, trigger=Trigger.COMMAND)
    fence = services.claim("replay", replay.pk)
    assert fence is not None
    work(RunContext("replay", replay.pk, fence))
    killer.join()
    done = cast(SessionReplay, services.get_run("replay", replay.pk))
    assert (done.state, done.result, done.difference) == ("succeeded", "same_bits", None), done.reason
    assert sharing.returncode == -signal.SIGKILL
    (fetched,) = (tmp_path / "far" / "datasets").rglob("*.parquet")
    assert fetched.stem == session.dataset.sha256


def _kill_at_work(cluster: Cluster, sharing: subprocess.Popen[bytes], far_home: Path) -> None:
    """Kill the first worker while it evaluates, and let one without its folder take over."""
    with cluster.client() as client:
        wait_for(lambda: any(client.processing().values()))
        kill(sharing)
    cluster.add_worker(far_home)
