"""Admin of schedules and events; django-q2's own Schedule and Task pages are hidden.

Whoever may add a django-q2 Schedule row runs any dotted path, and its task list unpickles results.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django_q.models import Failure, OrmQ, Schedule, Success

from trainingday.runs.cron import next_in_words
from trainingday.runs.models import RunEvent, ScheduleFiring, TrainingSchedule, WorkerHeartbeat

for hidden in (Schedule, Success, Failure, OrmQ):
    if admin.site.is_registered(hidden):
        admin.site.unregister(hidden)


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows that only the product writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(TrainingSchedule)
class TrainingScheduleAdmin(admin.ModelAdmin[TrainingSchedule]):
    """Schedules; a model's `clean` says what is wrong with cron, zone and preset."""

    list_display = ["name", "job", "market", "preset", "cron", "time_zone", "is_enabled", "next_run_at"]
    list_filter = ["job", "is_enabled"]
    list_select_related = ["market"]
    fields = [
        "name", "job", "market", "preset", "cron", "time_zone", "overlap", "missed", "is_enabled", "next_five_times",
    ]  # fmt: skip
    readonly_fields = ["next_five_times"]

    @admin.display(description="Next five times, in its own time zone")
    def next_five_times(self, schedule: TrainingSchedule) -> str:
        if not schedule.pk:
            return "Shown once it is saved"
        times = next_in_words(schedule.cron, schedule.time_zone, 5)
        return format_html_join("", "<div>{}</div>", ((time,) for time in times))


@admin.register(ScheduleFiring)
class ScheduleFiringAdmin(ReadOnlyAdmin):
    list_display = ["schedule", "due_at", "outcome", "run", "requested_by", "reason"]
    list_filter = ["outcome"]


@admin.register(RunEvent)
class RunEventAdmin(ReadOnlyAdmin):
    list_display = ["run_kind", "run_pk", "seq", "kind", "created_at"]
    list_filter = ["run_kind", "kind"]


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(ReadOnlyAdmin):
    list_display = ["host", "cluster", "seen_at"]
