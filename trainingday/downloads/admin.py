"""Admin of downloads: read-only, for they are facts."""

from django.contrib import admin

from trainingday.downloads.models import Download, DownloadPage
from trainingday.runs.admin import ReadOnlyAdmin


@admin.register(Download)
class DownloadAdmin(ReadOnlyAdmin):
    list_display = ["id", "market", "exchange", "is_refresh", "state", "n_candles", "n_retries", "created_at"]
    list_filter = ["state", "exchange"]
    list_select_related = ["market"]


@admin.register(DownloadPage)
class DownloadPageAdmin(ReadOnlyAdmin):
    list_display = ["id", "download", "index"]
    list_select_related = ["download"]
    exclude = ["candles"]
