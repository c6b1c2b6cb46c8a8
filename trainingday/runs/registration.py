"""The folders below TRAININGDAY_HOME that the sweeper looks after; artefacts are the strategies' own."""

from pathlib import Path

from django.conf import settings

from trainingday.markets.models import Dataset
from trainingday.runs.chores import register_chore
from trainingday.runs.queries import running_names
from trainingday.runs.retention import drop_hourly
from trainingday.runs.sweeper import FileStore, register_store, sweep_hourly

register_store(
    "datasets",
    FileStore(
        folder=lambda: Path(settings.TRAININGDAY_DATASETS),
        depth=2,
        named=lambda: {Path(file).name for file in Dataset.objects.values_list("file", flat=True)},
    ),
)
register_store(
    "scratch",
    FileStore(folder=lambda: Path(settings.TRAININGDAY_SCRATCH), depth=1, named=running_names),
)
register_chore(sweep_hourly)
register_chore(drop_hourly)
