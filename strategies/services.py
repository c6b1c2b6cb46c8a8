"""Starts tournaments."""

from __future__ import annotations

from django.contrib.auth.models import User

from strategies.models import Tournament
from trainingday.exceptions import NotFound
from trainingday.markets.models import Dataset, Market
from trainingday.runs.models import Run, TrainingSchedule, Trigger
from trainingday.runs.services import new_seed, request_run


def request_tournament(
    market: Market,
    *,
    trigger: Trigger,
    user: User | None = None,
    seed: int | None = None,
    n_generations: int = 10,
    population_size: int = 40,
    idempotency_key: str = "",
) -> Tournament:
    """Queue a tournament on the market's newest dataset.

    Raises
    ------
    NotFound
        If the market has no dataset.
    StateConflict
        If a tournament of the market is active.
    """
    dataset = Dataset.objects.filter(market=market).order_by("-version").first()
    if dataset is None:
        raise NotFound(f"{market.slug} has no bars yet: load a file first")
    tournament = Tournament(
        market=market,
        dataset=dataset,
        trigger=trigger,
        requested_by=user,
        seed=new_seed() if seed is None else seed,
        n_generations=n_generations,
        configuration={"population_size": population_size},
        idempotency_key=idempotency_key,
    )
    return request_run(tournament)


def start_scheduled_tournament(schedule: TrainingSchedule, trigger: Trigger) -> Run:
    return request_tournament(schedule.market, trigger=trigger)
