"""What the downloads app offers to runs and schedules."""

from trainingday.downloads.models import Download
from trainingday.downloads.services import start_scheduled_refresh
from trainingday.runs.jobs import Job, register_job
from trainingday.runs.kinds import RunKind, register

register(
    RunKind(
        name=Download.kind,
        model="downloads.Download",
        execute="trainingday.downloads.fetch.execute",
        supervise="trainingday.downloads.tasks.supervise_download",
        title="download",
    )
)
register_job(Job(Download.kind, "data refresh", start_scheduled_refresh))
