"""The audit trail by API: read only, as it is everywhere."""

from __future__ import annotations

from typing import Any

from auditlog.models import LogEntry
from rest_framework import serializers, viewsets

from trainingday.access.audit import reason_of, verb_of
from trainingday.access.lists import query_audit
from trainingday.permissions import may_administer


class AuditSerializer(serializers.ModelSerializer[LogEntry]):
    """Who did what to which thing, from where, and why. Only admins see the address."""

    at = serializers.DateTimeField(source="timestamp", read_only=True)
    who = serializers.CharField(source="actor.username", read_only=True, default=None, allow_null=True)
    did = serializers.SerializerMethodField()
    kind = serializers.CharField(source="content_type.model", read_only=True)
    thing = serializers.CharField(source="object_repr", read_only=True)
    reason = serializers.SerializerMethodField()
    address = serializers.SerializerMethodField()

    class Meta:
        model = LogEntry
        fields = ["id", "at", "who", "did", "kind", "object_pk", "thing", "reason", "changes", "address"]

    def get_did(self, entry: LogEntry) -> str:
        return verb_of(entry)

    def get_reason(self, entry: LogEntry) -> str:
        return reason_of(entry)

    def get_address(self, entry: LogEntry) -> str | None:
        address: str | None = entry.remote_addr
        return address if may_administer(self.context["request"].user) else None


class AuditViewSet(viewsets.ReadOnlyModelViewSet[LogEntry]):
    queryset = query_audit()
    serializer_class = AuditSerializer
    filterset_fields: Any = {
        "actor__username": ["exact"],
        "content_type__model": ["exact"],
        "object_pk": ["exact"],
    }
    ordering_fields = ["timestamp"]
    lookup_value_regex = "[0-9]{1,18}"
