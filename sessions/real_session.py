"""The seed's own request: run a session now, and answer in its envelope."""

from __future__ import annotations

import time
from typing import Any, cast

from django.contrib.auth.models import User

from sessions.models import TrainingSession
from sessions.services import request_session
from trainingday.exceptions import InvalidArgument, NotFound, TrainingDayError
from trainingday.markets.models import Market
from trainingday.markets.queries import query_market
from trainingday.runs.models import RunState, Trigger
from trainingday.runs.services import get_run
from trainingday.typing import JSONDict

SECONDS_BETWEEN_READS = 0.5
MAX_WAIT_SECONDS = 3600.0
FIELDS = {"market", "preset", "seed", "n_trials"}


class SessionFailed(TrainingDayError):
    """The session ended without a result; the message is its reason."""


def start(data: Any, user: User | None) -> TrainingSession:
    """Queue a session as the seed's clients ask for it: every field may be left out.

    Raises
    ------
    TrainingDayError
        As `request_session` does, or if the body is no object of known fields.
    """
    fields = dict(data) if isinstance(data, dict) else {}
    if unknown := sorted(set(fields) - FIELDS):
        raise InvalidArgument(f"fields should be some of {sorted(FIELDS)}, hold {unknown}")
    for name in ("seed", "n_trials"):
        if name in fields and (isinstance(fields[name], bool) or not isinstance(fields[name], int)):
            raise InvalidArgument(f"{name} should be an integer, is {fields[name]!r}")
    market = query_market(str(fields["market"])) if "market" in fields else _only_market()
    preset = str(fields.get("preset", "quick"))
    numbers = {name: fields[name] for name in ("seed", "n_trials") if name in fields}
    return request_session(market, preset, trigger=Trigger.API, user=user, **numbers)


def wait(session: TrainingSession) -> TrainingSession:
    """Return the session once it has succeeded; raise SessionFailed if it ends otherwise."""
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while time.monotonic() < deadline:
        current = cast(TrainingSession, get_run(TrainingSession.kind, session.pk))
        if current.state == RunState.SUCCEEDED:
            return current
        if not current.is_active:
            raise SessionFailed(f"{current.public_id} {current.state}: {current.reason}")
        time.sleep(SECONDS_BETWEEN_READS)
    raise SessionFailed(f"{session.public_id} is still running after {MAX_WAIT_SECONDS:.0f} s; it goes on")


def envelope(session: TrainingSession) -> JSONDict:
    """Return the seed's answer. Scores are validation Sharpe ratios; `realImprovement` says that the exam was passed."""
    is_promoted = session.verdict == "passed"
    return {
        "success": True,
        "data": {
            "generation": session.generation,
            "baseline_score": session.baseline_sharpe,
            "new_score": session.new_sharpe,
            "improvement_percent": session.improvement_percent,
            "hyperparams_tested": session.hyperparams_tested,
            "training_time_hours": (session.duration or 0.0) / 3600,
            "model_saved": is_promoted,
            "run": session.public_id,
            "verdict": session.verdict,
            "reason": session.reason,
        },
        "realImprovement": is_promoted,
        "modelsEvolved": 1 if is_promoted else 0,
    }


def _only_market() -> Market:
    market = Market.objects.filter(datasets__isnull=False).order_by("pk").first()
    if market is None:
        raise NotFound("no market is loaded: run `manage.py load_offline`")
    return market
