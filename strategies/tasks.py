"""What django-q2 may call for this app."""

from django.db import transaction
from django_q.tasks import async_task

from strategies.forward import follow_market, needs_following
from trainingday.markets.models import Market
from trainingday.runs.supervisor import supervise


def supervise_tournament(pk: int) -> None:
    supervise("tournament", pk)


def follow_forward(market_pk: int) -> int:
    """Record a market's later bars; return how many were recorded."""
    return follow_market(Market.objects.get(pk=market_pk))


def follow_all() -> None:
    """Ask for every market whose record lags: a message that was lost, or a follower that is new."""
    for market in Market.objects.all():
        if needs_following(market):
            request_following(market.pk)


def request_following(market_pk: int) -> None:
    """Queue `follow_forward` on the default cluster once what is being written is committed.

    What is written stands where the queue is away: `follow_all` asks again.
    """
    transaction.on_commit(
        lambda: async_task("strategies.tasks.follow_forward", market_pk, task_name=f"forward-{market_pk}"),
        robust=True,
    )
