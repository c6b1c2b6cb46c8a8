"""What the patterns app offers to runs, schedules and the audit trail."""

from auditlog.registry import auditlog

from patterns.models import Pattern, PatternScan
from patterns.services import start_scheduled_scan
from trainingday.runs.jobs import Job, register_job
from trainingday.runs.kinds import RunKind, register

register(
    RunKind(
        name=PatternScan.kind,
        model="patterns.PatternScan",
        execute="patterns.scan.execute",
        supervise="patterns.tasks.supervise_scan",
        title="pattern scan",
    )
)
register_job(Job(PatternScan.kind, "pattern scan", start_scheduled_scan))
auditlog.register(Pattern, include_fields=["state", "state_reason"])
