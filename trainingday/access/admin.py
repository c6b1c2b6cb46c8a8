"""Admin of tokens (to revoke), of rate counts (to forgive), and of the audit trail (to read)."""

from __future__ import annotations

from typing import Any

from auditlog.admin import LogEntryAdmin
from auditlog.models import LogEntry
from django.contrib import admin
from django.http import HttpRequest

from trainingday.access.audit import reason_of, verb_of
from trainingday.access.models import ApiToken, RateCount, RequestKey


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    list_display = ["token_key", "user", "name", "scope", "created", "expiry", "last_used_at"]
    list_select_related = ["user"]
    exclude = ["digest"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(RequestKey)
class RequestKeyAdmin(admin.ModelAdmin[RequestKey]):
    list_display = ["user", "path", "key", "created_at"]
    list_select_related = ["user"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(RateCount)
class RateCountAdmin(admin.ModelAdmin[RateCount]):
    list_display = ["key", "count", "window"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


admin.site.unregister(LogEntry)


@admin.register(LogEntry)
class AuditAdmin(LogEntryAdmin):
    list_display = ["created", "user_url", "did", "resource_url", "why", "remote_addr", "msg_short"]
    list_filter = ["action"]

    @admin.display(description="Did")
    def did(self, entry: LogEntry) -> str:
        return verb_of(entry)

    @admin.display(description="Why")
    def why(self, entry: LogEntry) -> str:
        return reason_of(entry)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
