"""What the strategies app offers to runs, schedules and the audit trail."""

from auditlog.registry import auditlog
from django.conf import settings

from strategies.library.registry import register_path
from strategies.models import Champion, Strategy, Tournament
from strategies.services import start_scheduled_tournament
from trainingday.runs.jobs import Job, register_job
from trainingday.runs.kinds import RunKind, register

register(
    RunKind(
        name=Tournament.kind,
        model="strategies.Tournament",
        execute="strategies.tournament.execute",
        supervise="strategies.tasks.supervise_tournament",
        title="tournament",
    )
)
for dotted_path in settings.TRAININGDAY_FAMILIES:
    register_path(dotted_path)
register_job(Job(Tournament.kind, "tournament", start_scheduled_tournament))
auditlog.register(Strategy)
auditlog.register(Champion)
