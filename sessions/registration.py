"""What the sessions app offers to runs, schedules and the audit trail."""

from auditlog.registry import auditlog

from sessions.models import ModelVersion, SessionReplay, TrainingSession, WrittenReport
from sessions.rl.presets import PRESETS
from sessions.services import start_scheduled_session
from sessions.written_reports import PERIODS, start_scheduled_report
from trainingday.runs.jobs import Job, register_job
from trainingday.runs.kinds import RunKind, register

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
register(
    RunKind(
        name=SessionReplay.kind,
        model="training_sessions.SessionReplay",
        execute="sessions.replay.execute",
        supervise="sessions.tasks.supervise_replay",
        title="replay",
    )
)
register(
    RunKind(
        name=WrittenReport.kind,
        model="training_sessions.WrittenReport",
        execute="sessions.written_reports.execute",
        supervise="sessions.tasks.supervise_report",
        title="report",
    )
)
register_job(Job(TrainingSession.kind, "training session", start_scheduled_session, presets=tuple(PRESETS)))
register_job(Job(WrittenReport.kind, "report", start_scheduled_report, presets=tuple(PERIODS)))
auditlog.register(ModelVersion, include_fields=["stage", "stage_reason"])
