"""Starts training sessions and changes the stage of models."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from patterns.models import PatternScan
from sessions.inputs import Found
from sessions.models import SessionReplay, TrainingSession
from sessions.rl.presets import get_preset
from strategies.models import Tournament
from trainingday.exceptions import InvalidArgument, StateConflict
from trainingday.markets.models import Market
from trainingday.markets.queries import query_bars, query_latest_dataset, query_split
from trainingday.runs.models import Run, RunState, TrainingSchedule, Trigger
from trainingday.runs.services import new_seed, nudge, request_run

MAX_TRIALS = 10_000
MAX_SEED = 2**32 - 1
# A session that takes this many times what its preset is meant to take is ended with that reason.
TIME_BUDGET_FACTOR = 20


def request_session(
    market: Market,
    preset: str,
    *,
    trigger: Trigger,
    user: User | None = None,
    seed: int | None = None,
    n_trials: int | None = None,
    idempotency_key: str = "",
) -> TrainingSession:
    """Check and queue a training session on the market's newest dataset.

    Raises
    ------
    NotFound
        If the preset is unknown or the market has no dataset.
    InvalidArgument
        If the seed or the number of trials is out of range.
    NotEnoughBars
        If the dataset is too short to split.
    StateConflict
        If a session of the market is active.
    """
    budget = get_preset(preset)
    if n_trials is not None and not 1 <= n_trials <= MAX_TRIALS:
        raise InvalidArgument(f"n_trials should be 1..{MAX_TRIALS}, is {n_trials}")
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise InvalidArgument(f"seed should be 0..{MAX_SEED}, is {seed}")
    dataset = query_latest_dataset(market)
    query_split(dataset, bars=query_bars(dataset))
    session = TrainingSession(
        market=market,
        dataset=dataset,
        dataset_hash=dataset.sha256,
        preset=preset,
        trigger=trigger,
        requested_by=user,
        seed=new_seed() if seed is None else seed,
        time_budget_seconds=int(TIME_BUDGET_FACTOR * budget.budget_seconds),
        configuration=_snapshot(market, preset, n_trials or budget.n_trials),
        idempotency_key=idempotency_key,
    )
    return request_run(session)


def start_scheduled_session(schedule: TrainingSchedule, trigger: Trigger, user: User | None) -> Run:
    return request_session(schedule.market, schedule.preset, trigger=trigger, user=user)


def clone_session(session: TrainingSession, *, trigger: Trigger, user: User | None) -> TrainingSession:
    """Queue a session with another's preset and trials on the market's newest bars, with a new seed."""
    n_trials = session.configuration.get("n_trials")
    return request_session(session.market, session.preset, trigger=trigger, user=user, n_trials=n_trials)


def resume_session(session: TrainingSession) -> TrainingSession:
    """Queue a failed or cancelled session again; it goes on from its last committed row.

    Raises
    ------
    StateConflict
        If it is active or has succeeded, or another session of its market is active.
    """
    stopped = TrainingSession.objects.filter(pk=session.pk, state__in=[RunState.FAILED, RunState.CANCELLED])
    try:
        with transaction.atomic():
            if not stopped.update(
                state=RunState.QUEUED, is_cancel_requested=False, attempts=0, lease_until=None,
                finished_at=None, reason="resumed by hand",
            ):  # fmt: skip
                raise StateConflict(f"{session.public_id} did not stop early, there is nothing to resume")
            # The row is queued: if it cannot be nudged now, the reaper does.
            transaction.on_commit(lambda: nudge(session), robust=True)
    except IntegrityError as error:
        raise StateConflict("another training session of this market is active") from error
    session.refresh_from_db()
    return session


def request_replay(
    session: TrainingSession, *, trigger: Trigger, user: User | None = None, idempotency_key: str = ""
) -> SessionReplay:
    """Queue a replay of a finished session.

    Raises
    ------
    StateConflict
        If the session has not succeeded, has not recorded its inputs, or a replay of its market is active.
    """
    if session.state != RunState.SUCCEEDED:
        raise StateConflict(
            f"only a finished session can be replayed, {session.public_id} is {session.state}"
        )
    Found.of(session)
    return request_run(
        SessionReplay(
            original=session,
            market=session.market,
            seed=session.seed,
            configuration=session.configuration,
            time_budget_seconds=session.time_budget_seconds,
            trigger=trigger,
            requested_by=user,
            idempotency_key=idempotency_key,
        )
    )


def settle_parts() -> int:
    """End the scans and tournaments of sessions that failed or were cancelled; return how many."""
    n_settled = 0
    for model in (PatternScan, Tournament):
        for state in (RunState.FAILED, RunState.CANCELLED):
            left = model._default_manager.filter(is_part=True, state=RunState.RUNNING, session__state=state)
            n_settled += left.update(state=state, finished_at=Now(), reason="its training session ended")
    return n_settled


def _snapshot(market: Market, preset: str, n_trials: int) -> dict[str, Any]:
    """Return what the session will use, as it is now: later edits of the market change nothing."""
    return {
        "preset": preset,
        "n_trials": n_trials,
        "fee": market.fee,
        "slippage": market.slippage,
        "bars_per_year": market.bars_per_year,
        "exam_level": market.alpha,
        "executor": settings.TRAININGDAY_EXECUTOR,
    }
