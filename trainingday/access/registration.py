"""What the audit trail watches by itself, and what guards it."""

from typing import Any

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connections
from django.db.models.signals import post_migrate, pre_delete, pre_save

from trainingday.access import kept
from trainingday.access.audit import complete, refuse_deletion
from trainingday.access.models import ApiToken


def guard_audit_rows(using: str, **kwargs: Any) -> None:
    """After every migration: one of auditlog's own may have made its table anew, on SQLite without triggers."""
    kept.guard(connections[using])


# auditlog's model is not ours: its manager is told which query sets to make.
LogEntry.objects._queryset_class = kept.KeptRows
post_migrate.connect(guard_audit_rows, sender=apps.get_app_config("access"), dispatch_uid="guard_audit_rows")
pre_save.connect(complete, sender=LogEntry, dispatch_uid="complete_audit_row")
pre_delete.connect(refuse_deletion, sender=LogEntry, dispatch_uid="keep_audit_row")
auditlog.register(
    User,
    include_fields=["username", "is_active", "is_staff", "is_superuser"],
    m2m_fields={"groups", "user_permissions"},
)
auditlog.register(ApiToken, include_fields=["name", "scope", "expiry"])
