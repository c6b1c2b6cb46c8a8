"""Admin of sessions, trials and models: read-only, for they are facts."""

from django.contrib import admin

from sessions.models import HonestyRun, ModelVersion, SessionReplay, TrainingSession, Trial, WrittenReport
from trainingday.runs.admin import ReadOnlyAdmin


@admin.register(TrainingSession)
class TrainingSessionAdmin(ReadOnlyAdmin):
    list_display = ["id", "market", "preset", "state", "generation", "new_sharpe", "verdict", "created_at"]
    list_filter = ["state", "preset", "verdict"]
    list_select_related = ["market"]


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin):
    list_display = ["id", "session", "index", "state", "score", "seconds"]
    list_filter = ["state"]
    list_select_related = ["session"]


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ["id", "market", "number", "stage", "algorithm", "validation_sharpe", "created_at"]
    list_filter = ["stage", "algorithm"]
    list_select_related = ["market"]


@admin.register(HonestyRun)
class HonestyRunAdmin(ReadOnlyAdmin):
    list_display = ["id", "parts", "seed", "created_at"]


@admin.register(SessionReplay)
class SessionReplayAdmin(ReadOnlyAdmin):
    list_display = ["id", "original", "state", "result", "created_at"]
    list_filter = ["state", "result"]


@admin.register(WrittenReport)
class WrittenReportAdmin(ReadOnlyAdmin):
    list_display = ["id", "market", "preset", "covers", "state", "created_at"]
    list_filter = ["state", "preset"]
    list_select_related = ["market"]
