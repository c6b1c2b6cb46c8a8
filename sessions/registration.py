"""What the sessions app offers to runs, schedules and the audit trail."""

from auditlog.registry import auditlog

from sessions.models import ModelVersion, TrainingSession
from sessions.services import start_scheduled_session
from trainingday.runs.kinds import RunKind, register
from trainingday.runs.models import Job
from trainingday.runs.schedules import register_job

register(
    RunKind(
        name=TrainingSession.kind,
        model="training_sessions.TrainingSession",
        execute="sessions.training_day.execute",
        supervise="sessions.tasks.supervise_session",
        title="training session",
        settle="sessions.services.settle_parts",
    )
)
register_job(Job.TRAINING_SESSION, start_scheduled_session)
auditlog.register(TrainingSession, include_fields=["state", "is_cancel_requested", "verdict", "generation"])
auditlog.register(ModelVersion, include_fields=["stage", "stage_reason"])
