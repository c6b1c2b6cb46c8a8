"""A finished session run again: the same bits, or the first difference; nothing but the result is written."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import pytest
from auditlog.models import LogEntry
from django.apps import apps

from sessions import replay as replay_module
from sessions.model_charts import evidence_charts
from sessions.model_pages import ModelLine
from sessions.model_series import model_series
from sessions.models import ModelVersion, SessionReplay, TrainingSession, Trial
from sessions.queries import query_models
from sessions.replay import environment_differences
from sessions.rl.presets import PRESETS, Preset
from sessions.services import request_replay
from strategies.store import artifact_store
from tests.conftest import make_market
from tests.markets import autoregressive_bars, gaussian_bars
from trainingday.exceptions import StateConflict
from trainingday.markets.models import Market
from trainingday.markets.services import load_bars
from trainingday.runs import services
from trainingday.runs.child import work
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunEvent, RunState, Trigger

WRITTEN_BY_A_REPLAY = {SessionReplay, RunEvent, LogEntry}


class WorkerKilled(BaseException):
    """Stands in for SIGKILL: nothing in the product catches it."""


def carry_out(replay: SessionReplay) -> SessionReplay:
    fence = services.claim("replay", replay.pk)
    assert fence is not None
    work(RunContext("replay", replay.pk, fence))
    return cast(SessionReplay, services.get_run("replay", replay.pk))


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return every row of the product, but those that a replay is allowed to write, and every artefact."""
    own = ("training_sessions", "strategies", "patterns", "markets", "runs")
    models = [model for label in own for model in apps.get_app_config(label).get_models()]
    rows = {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in models
        if model not in WRITTEN_BY_A_REPLAY
    }
    return rows | {"artefacts": [{"name": name} for name in artifact_store().names()]}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_replay_has_the_same_bits_and_writes_nothing_and_a_changed_bit_is_named(
    run_session: Callable[..., TrainingSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = run_session(make_market(gaussian_bars(2500, seed=7)))
    before = everything()
    replay = request_replay(session, trigger=Trigger.COMMAND)
    with pytest.raises(StateConflict, match=replay.public_id):
        request_replay(session, trigger=Trigger.COMMAND)

    final, calls = replay_module._final, []
    with monkeypatch.context() as patch:
        patch.setattr(replay_module, "_final", lambda *args: calls.append(1) or _raise(WorkerKilled))
        with pytest.raises(WorkerKilled):
            carry_out(replay)
    assert calls == [1] and final is replay_module._final
    services.release("replay", replay.pk, 1, "killed")
    patched = pytest.MonkeyPatch()
    patched.setattr(replay_module, "_search", lambda *args: _raise(AssertionError("compared already")))
    done = carry_out(replay)
    patched.undo()

    assert (done.state, done.result, done.difference) == (RunState.SUCCEEDED, "same_bits", None), done.reason
    assert [part["part"] for part in done.checked] == [
        "baseline", "search, batch 1", "search, batch 2", "final seeds", "what the verdict rests on",
    ]  # fmt: skip
    # 6 trials of 16 blocks of 3 numbers each, but those that failed have none.
    blocks = sum(3 * len(trial.blocks) for trial in session.trials.all())
    assert done.n_values > blocks + 6 * 15
    assert f"{done.n_values:,} values are equal" in done.reason and done.environment_differences == []
    assert everything() == before

    trial = session.trials.filter(score__isnull=False).order_by("-index").first()
    assert trial is not None and trial.score is not None
    Trial.objects.filter(pk=trial.pk).update(score=math.nextafter(trial.score, 9.0))
    TrainingSession.objects.update(environment=session.environment | {"torch": "1.0.0"})
    altered = carry_out(request_replay(session, trigger=Trigger.COMMAND))
    assert altered.result == "different_bits" and altered.difference is not None
    assert altered.difference["where"] == f"trial {trial.index}, score"
    assert altered.difference["replayed"] == repr(trial.score)
    assert "torch 1.0.0 →" in altered.reason


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_champion_is_trained_on_beside_training_from_scratch_and_the_replay_has_the_same_bits(
    run_session: Callable[..., TrainingSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "planted", Preset("planted", 3, 3, 0.1, 2, 0.2, 2, 60.0, "For tests"))
    bars = autoregressive_bars(7500, seed=2, phi=0.4)
    market = make_market(bars[:6000])
    Market.objects.update(fee=0.0001, slippage=0.0)
    market.refresh_from_db()
    first = run_session(market, seed=1, preset="planted")
    champion = ModelVersion.objects.get(stage="champion")
    assert champion.warm_start == {} and champion.parent is None and champion.overlay["chosen"] in OPTIONS
    load_bars(market, bars, "newer bars, enough for a test window of their own")

    second = run_session(market, seed=2, preset="planted")
    assert (first.verdict, second.state) == ("passed", RunState.SUCCEEDED), second.reason
    made = ModelVersion.objects.get(session=second)
    record = made.warm_start
    assert record["parent"] == champion.number
    assert record["low"] <= record["difference"] <= record["high"]
    # The paired difference divides by the population deviation, the ratios by the sample one.
    assert record["difference"] == pytest.approx(record["warm_sharpe"] - record["scratch_sharpe"], rel=1e-3)
    is_warm = record["warm_sharpe"] > record["scratch_sharpe"]
    assert record["won"] == ("warm start" if is_warm else "from scratch")
    assert made.parent == (champion if is_warm else None)
    plain = made.overlay["options"]["none"]["sharpe_ratio"]
    assert plain == record["warm_sharpe" if is_warm else "scratch_sharpe"]
    assert made.validation_sharpe == made.overlay["options"][made.overlay["chosen"]]["sharpe_ratio"]
    parts = {event.payload["part"] for event in RunEvent.objects.filter(run_pk=second.pk, kind="curve")}
    assert {"best trial", "defaults", "warm start"} <= parts

    assert_plots_are_of_the_recorded_backtests(champion, made)
    replayed = carry_out(request_replay(second, trigger=Trigger.COMMAND))
    assert replayed.result == "same_bits", replayed.reason


def assert_plots_are_of_the_recorded_backtests(champion: ModelVersion, made: ModelVersion) -> None:
    """The plots stand on the very backtests that the session and the exam recorded; test only after a pass."""
    rows = {row.pk: row for row in query_models()}
    passed, newer = ModelLine(rows[champion.pk]), ModelLine(rows[made.pk])
    validation, test = model_series(passed).segments
    assert validation.results["model"].metrics.as_dict() == champion.validation
    assert test.results["model"].metrics.as_dict() == passed.out_of_sample
    assert "champion" not in test.results
    seen = model_series(newer).segments
    assert seen[0].results["model"].metrics.as_dict() == made.validation
    assert seen[0].results["champion"].metrics.sharpe_ratio == made.session.baseline_sharpe
    assert len(seen) == (2 if newer.has_passed else 1)
    charts = evidence_charts(passed)
    assert [band["label"] for band in charts.price.bands] == ["train", "validation", "test"]
    assert charts.equity.n_points and charts.rolling.n_points and charts.differences.n_points


OPTIONS = {"none", "volatility_target", "volatility_target_and_drawdown_stop"}


def _raise(error: Any) -> Any:
    raise error


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["queued", "running", "failed", "cancelled", "succeeded"])
def test_only_a_finished_session_that_recorded_its_inputs_can_be_replayed(state: str) -> None:
    from tests import pages

    market = pages.make_market()
    session = pages.make_session(market, pages.make_dataset(market), state=state)
    with pytest.raises(
        StateConflict, match="recorded what it started from" if state == "succeeded" else state
    ):
        request_replay(session, trigger=Trigger.COMMAND)
    assert not SessionReplay.objects.exists()


def test_what_changed_of_the_environment_is_listed() -> None:
    was, now = (
        {"torch": "2.12", "threads": "1", "numba": "1"},
        {"torch": "2.13", "threads": "1", "scipy": "2"},
    )
    assert environment_differences(was, now) == [
        ["torch", "2.12", "2.13"], ["numba", "1", "–"], ["scipy", "–", "2"],
    ]  # fmt: skip
