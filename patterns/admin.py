"""Admin of patterns, scans and sightings: read-only, for they are facts."""

from django.contrib import admin

from patterns.models import Pattern, PatternFinding, PatternScan, PatternSet, PatternSighting
from trainingday.runs.admin import ReadOnlyAdmin


@admin.register(PatternScan)
class PatternScanAdmin(ReadOnlyAdmin):
    list_display = ["id", "market", "state", "n_tested", "n_found", "n_confirmed", "n_new", "created_at"]
    list_filter = ["state"]
    list_select_related = ["market"]


@admin.register(Pattern)
class PatternAdmin(ReadOnlyAdmin):
    list_display = ["key", "market", "state", "success_rate", "average_return", "q_value"]
    list_filter = ["state"]
    search_fields = ["key"]
    list_select_related = ["market"]


@admin.register(PatternSighting)
class PatternSightingAdmin(ReadOnlyAdmin):
    list_display = ["id", "pattern", "bar_us", "forward_return", "is_success"]
    list_select_related = ["pattern"]


@admin.register(PatternFinding)
class PatternFindingAdmin(ReadOnlyAdmin):
    list_display = ["id", "pattern", "scan", "is_confirmed", "created_at"]
    list_filter = ["is_confirmed"]
    list_select_related = ["pattern", "scan"]


@admin.register(PatternSet)
class PatternSetAdmin(ReadOnlyAdmin):
    list_display = ["sha256", "market", "created_at"]
    list_select_related = ["market"]
