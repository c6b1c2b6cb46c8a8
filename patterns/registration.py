"""What the patterns app offers to runs, schedules and the audit trail."""

from auditlog.registry import auditlog

from patterns.models import Pattern, PatternScan
from patterns.services import start_scheduled_scan
from trainingday.runs.kinds import RunKind, register
from trainingday.runs.models import Job
from trainingday.runs.schedules import register_job

register(
    RunKind(
        name=PatternScan.kind,
        model="patterns.PatternScan",
        execute="patterns.scan.execute",
        supervise="patterns.tasks.supervise_scan",
        title="pattern scan",
    )
)
register_job(Job.PATTERN_SCAN, start_scheduled_scan)
auditlog.register(Pattern, include_fields=["state", "state_reason"])
