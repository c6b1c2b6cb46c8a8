"""Starts tournaments; changes champions by hand."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction

from strategies import queries
from strategies.exam import crown, dethrone
from strategies.hooks import champion_changed
from strategies.models import Champion, Strategy, Tournament
from strategies.plans import GENETIC, check_size, standalone_configuration
from strategies.positions import CONTROLS, MODEL_FAMILY, PATTERN_FAMILY
from trainingday.access import audit
from trainingday.access.reasons import checked_text
from trainingday.exceptions import InvalidArgument, StateConflict
from trainingday.markets.models import Market
from trainingday.markets.queries import query_bars, query_latest_dataset, query_split
from trainingday.permissions import may_administer
from trainingday.runs.models import Run, TrainingSchedule, Trigger
from trainingday.runs.services import new_seed, request_run

MAX_SEED = 2**31 - 1
UNPROVEN = (
    "has passed no exam, and no forward evidence has promoted it: nothing becomes champion unless it beats the "
    "champion on bars it has not seen."
)
WAY_OF_FAMILIES = "The winner of a tournament sits the exam: start one, seeded from a tournament that this one took part in."
WAYS_TO_EXAM = {
    MODEL_FAMILY: (
        "The best candidate of a training session sits the exam when the session ends: start a session. A model "
        "that is the newest trained before validation also takes part in the next tournament."
    ),
    PATTERN_FAMILY: (
        "A set that was frozen by hand has no way to an exam: validation confirmed it, and validation ranks who "
        "sits one. A tournament mines and confirms a set inside train instead; that one sits the exam if it wins."
    ),
}


def request_tournament(
    market: Market,
    *,
    trigger: Trigger,
    user: User | None = None,
    seed: int | None = None,
    n_generations: int = 10,
    population_size: int = 40,
    search: str = GENETIC,
    seed_from: Tournament | None = None,
    idempotency_key: str = "",
) -> Tournament:
    """Queue a tournament on the market's newest dataset; nothing is stored unless it can run.

    Parameters
    ----------
    search : str
        "genetic" breeds for fitness, "nsga2" for fitness, drawdown and turnover at once.
    seed_from : Tournament, optional
        Of the same market: the fittest half of its entrants found this one.

    Raises
    ------
    InvalidArgument
        If a number is out of bounds: n_generations 1..200, population_size 4..2000, seed 0..2^31 - 1; or
        the search is unknown; or the past tournament is of another market or holds no fit entrant.
    NotFound
        If the market has no dataset.
    NotEnoughBars
        If the dataset is too short for train, validation and test.
    StateConflict
        If a tournament of the market is active.
    """
    check_size(n_generations, population_size)
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise InvalidArgument(f"seed should be 0..{MAX_SEED}, is {seed}")
    dataset = query_latest_dataset(market)
    bars = query_bars(dataset)
    split = query_split(dataset, bars=bars)
    validation_start_us = int(bars.timestamps[split.validation.start])
    tournament = Tournament(
        market=market,
        dataset=dataset,
        trigger=trigger,
        requested_by=user,
        seed=new_seed() if seed is None else seed,
        n_generations=n_generations,
        configuration=standalone_configuration(
            market, population_size, validation_start_us, search=search, seed_from=seed_from
        ),
        idempotency_key=idempotency_key,
    )
    return request_run(tournament)


def start_scheduled_tournament(schedule: TrainingSchedule, trigger: Trigger, user: User | None) -> Run:
    return request_tournament(schedule.market, trigger=trigger, user=user)


def roll_back(champion: Champion, *, reason: str, user: User, to: Champion | None = None) -> Champion | None:
    """End the reign of the current champion and take an earlier one up again; return the new reign.

    Without `to` the reign before returns; where there was none the market is left without a champion.

    Raises
    ------
    PermissionDenied
        If the user is no admin.
    InvalidArgument
        If the reason is no 3..500 characters, or `to` is no earlier reign of this market.
    StateConflict
        If the champion is no longer the current one.
    """
    text = checked_reason(reason, user)
    with transaction.atomic(), audit.doing("roll back", text):
        _require_current(champion)
        target = queries.predecessor(champion) if to is None else to
        if target is None:
            _leave_vacant(champion, user, f"Rolled back by {user.get_username()}: {text}")
            return None
        if target.market_id != champion.market_id or target.until is None:
            raise InvalidArgument(f"to should be an earlier reign of {champion.market.slug}, is {target}")
        crown(
            champion.market,
            target.strategy,
            reason=f"Rolled back by {user.get_username()}: {text}",
            decided_by=user,
            restores=target.restores or target,
            resumes=target.resumes or target,
        )
        return queries.current_champion(champion.market)


def retire(champion: Champion, *, reason: str, user: User) -> None:
    """End the reign of the current champion and leave its market without one; raises as `roll_back`."""
    text = checked_reason(reason, user)
    with transaction.atomic(), audit.doing("retire", text):
        _require_current(champion)
        _leave_vacant(champion, user, f"Retired by {user.get_username()}: {text}")


def promote(strategy: Strategy, *, reason: str, user: User) -> Champion:
    """Make a strategy champion again by hand; only one that evidence has made champion before.

    Raises
    ------
    PermissionDenied
        If the user is no admin.
    InvalidArgument
        If the reason is no 3..500 characters.
    StateConflict
        If it is the champion, or has neither passed an exam nor been promoted on forward evidence.
    """
    text = checked_reason(reason, user)
    with transaction.atomic(), audit.doing("promote", text):
        Market.objects.select_for_update().get(pk=strategy.market_id)
        current = queries.current_champion(strategy.market)
        if current is not None and current.strategy_id == strategy.pk:
            raise StateConflict(f"{strategy} is already the champion of {strategy.market.slug}")
        reign = queries.proven_reign(strategy)
        if reign is None:
            raise StateConflict(f"{strategy} {UNPROVEN} {way_to_exam(strategy)}")
        why = f"Promoted again by {user.get_username()}, on the evidence of {reign.since:%Y-%m-%d}: {text}"
        crown(strategy.market, strategy, reason=why, decided_by=user, restores=reign)
        champion = queries.current_champion(strategy.market)
    assert champion is not None
    return champion


def way_to_exam(strategy: Strategy) -> str:
    """Return how a strategy can earn what a promotion needs, in a sentence or two."""
    if strategy.family in CONTROLS:
        return "It is a control: it shows what no skill earns, and sits no exam."
    return WAYS_TO_EXAM.get(strategy.family, WAY_OF_FAMILIES)


def _leave_vacant(champion: Champion, user: User, note: str) -> None:
    ended = dethrone(champion.market)
    assert ended is not None
    ended.ended_reason = note
    ended.ended_by = user
    ended.save(update_fields=["ended_reason", "ended_by"])
    champion_changed.send(Champion, old=ended, new=None)


def _require_current(champion: Champion) -> None:
    Market.objects.select_for_update().get(pk=champion.market_id)
    if not Champion.objects.filter(pk=champion.pk, until__isnull=True).exists():
        raise StateConflict(f"{champion} is no longer the champion of {champion.market.slug}")


def checked_reason(reason: str, user: User) -> str:
    """Return the reason of an admin for a change by hand; raises PermissionDenied or InvalidArgument."""
    if not may_administer(user):
        raise PermissionDenied("only an admin may change the champion by hand")
    return checked_text(reason)
