"""Starts pattern scans."""

from __future__ import annotations

from django.contrib.auth.models import User

from patterns.models import PatternScan
from trainingday.exceptions import NotFound
from trainingday.markets.models import Dataset, Market
from trainingday.runs.models import Run, TrainingSchedule, Trigger
from trainingday.runs.services import new_seed, request_run


def request_scan(
    market: Market,
    *,
    trigger: Trigger,
    user: User | None = None,
    seed: int | None = None,
    idempotency_key: str = "",
) -> PatternScan:
    """Queue a scan of the market's newest dataset.

    Raises
    ------
    NotFound
        If the market has no dataset.
    StateConflict
        If a scan of the market is active.
    """
    dataset = Dataset.objects.filter(market=market).order_by("-version").first()
    if dataset is None:
        raise NotFound(f"{market.slug} has no bars yet: load a file first")
    scan = PatternScan(
        market=market,
        dataset=dataset,
        trigger=trigger,
        requested_by=user,
        seed=new_seed() if seed is None else seed,
        idempotency_key=idempotency_key,
    )
    return request_run(scan)


def start_scheduled_scan(schedule: TrainingSchedule, trigger: Trigger) -> Run:
    return request_scan(schedule.market, trigger=trigger)
