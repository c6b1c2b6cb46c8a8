"""What the strategies app offers to runs, schedules and the audit trail."""

from pathlib import Path
from typing import Any

from auditlog.registry import auditlog
from django.conf import settings
from django.dispatch import receiver

from strategies.hooks import champion_changed
from strategies.library.registry import register_path
from strategies.models import Champion, ForwardRecord, Strategy, Tournament
from strategies.services import start_scheduled_tournament
from strategies.tasks import follow_all, request_following
from trainingday.markets.hooks import dataset_stored
from trainingday.markets.models import Dataset
from trainingday.runs.chores import register_chore
from trainingday.runs.jobs import Job, register_job
from trainingday.runs.kinds import RunKind, register
from trainingday.runs.sweeper import FileStore, register_store

register(
    RunKind(
        name=Tournament.kind,
        model="strategies.Tournament",
        execute="strategies.tournament.execute",
        supervise="strategies.tasks.supervise_tournament",
        title="tournament",
    )
)
register_store(
    "artifacts",
    FileStore(
        folder=lambda: Path(settings.TRAININGDAY_ARTIFACTS),
        depth=1,
        named=lambda: set(Strategy.objects.exclude(artifact="").values_list("artifact", flat=True)),
    ),
)
for dotted_path in settings.TRAININGDAY_FAMILIES:
    register_path(dotted_path)
register_job(Job(Tournament.kind, "tournament", start_scheduled_tournament))
register_chore(follow_all)


@receiver(dataset_stored, dispatch_uid="strategies_follow_forward")
def follow_new_bars(dataset: Dataset, **kwargs: Any) -> None:
    if ForwardRecord.objects.filter(market=dataset.market_id).exists():
        request_following(dataset.market_id)


@receiver(champion_changed, dispatch_uid="strategies_follow_reign")
def follow_new_reign(new: Champion | None, **kwargs: Any) -> None:
    if new is not None:
        request_following(new.market_id)


auditlog.register(Strategy)
auditlog.register(Champion)
