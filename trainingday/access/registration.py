"""What the audit trail watches by itself, and what guards it."""

from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.auth.models import User
from django.db.models.signals import pre_delete, pre_save

from trainingday.access.audit import complete, refuse_deletion
from trainingday.access.models import ApiToken

pre_save.connect(complete, sender=LogEntry, dispatch_uid="complete_audit_row")
pre_delete.connect(refuse_deletion, sender=LogEntry, dispatch_uid="keep_audit_row")
auditlog.register(
    User,
    include_fields=["username", "is_active", "is_staff", "is_superuser"],
    m2m_fields={"groups", "user_permissions"},
)
auditlog.register(ApiToken, include_fields=["name", "scope", "expiry"])
