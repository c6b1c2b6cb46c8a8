"""The audit trail as a list."""

from __future__ import annotations

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet

from trainingday.access.audit import reason_of, verb_of
from trainingday.lists import Choice, Column, Listing


def query_audit() -> QuerySet[LogEntry]:
    rows: QuerySet[LogEntry] = LogEntry.objects.select_related("content_type", "actor")
    return rows


def _things() -> list[tuple[str, str]]:
    models = LogEntry.objects.order_by().values_list("content_type__model", flat=True).distinct()
    return [(name, str(ContentType(model=name).model)) for name in sorted(models)]


def _people() -> list[tuple[str, str]]:
    names = User.objects.order_by("username").values_list("username", flat=True)
    return [(name, name) for name in names]


# The address is left out: only admins see where someone was, on the page and in the API.
AUDIT = Listing(
    "audit",
    columns=(
        Column("at", "timestamp"),
        Column("who", lambda row: row.actor.get_username() if row.actor else None),
        Column("did", verb_of),
        Column("kind", "content_type.model"),
        Column("thing", "object_repr"),
        Column("reason", reason_of),
        Column("changes"),
    ),
    filters=(
        Choice("who", "Who", "actor__username", _people),
        Choice("kind", "Kind of thing", "content_type__model", _things),
    ),
    sorts={"at": "timestamp", "who": "actor__username"},
    default=("-timestamp", "-pk"),
)
