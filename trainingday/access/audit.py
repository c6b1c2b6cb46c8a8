"""Who did what to which thing, from where, and why: django-auditlog's rows with a verb and a reason.

Rows of registered models are written by themselves; `doing` says what they are part of. What changes no such
row (a start, a cancel) calls `record`. A row is written once: nothing edits or deletes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from trainingday.access.kept import IS_KEPT, NEVER_CHANGES
from trainingday.access.limits import client_address
from trainingday.exceptions import StateConflict

_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)
_purpose: ContextVar[dict[str, str] | None] = ContextVar("audited_purpose", default=None)
VERBS = {
    LogEntry.Action.CREATE: "create",
    LogEntry.Action.UPDATE: "change",
    LogEntry.Action.DELETE: "delete",
    LogEntry.Action.ACCESS: "do",
}


def record(
    verb: str,
    target: Model,
    *,
    reason: str = "",
    actor: User | None = None,
    details: dict[str, Any] | None = None,
) -> LogEntry:
    """Write that someone did something; without `actor` it is the user of the request, if there is one."""
    entry: LogEntry = LogEntry.objects.log_create(
        target,
        force_log=True,
        action=LogEntry.Action.ACCESS,
        actor=actor,
        changes={name: ["", str(value)] for name, value in (details or {}).items()},
        additional_data={"verb": verb, "reason": reason},
    )
    return entry


@contextmanager
def doing(verb: str, reason: str = "") -> Iterator[None]:
    """Give every audit row that is written inside its verb and its reason."""
    token = _purpose.set({"verb": verb, "reason": reason})
    try:
        yield
    finally:
        _purpose.reset(token)


def verb_of(entry: LogEntry) -> str:
    """Return what was done, in a word or two."""
    said = (entry.additional_data or {}).get("verb")
    return str(said) if said else VERBS[entry.action]


def reason_of(entry: LogEntry) -> str:
    return str((entry.additional_data or {}).get("reason") or "")


class AuditMiddleware:
    """Knows the request while it is answered: its user is read late, after a token has signed in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)


def complete(sender: Any, instance: LogEntry, **kwargs: Any) -> None:
    """Before a row is written: fill in actor, address, verb and reason; refuse to write it twice."""
    if not instance._state.adding:
        raise StateConflict(NEVER_CHANGES)
    if purpose := _purpose.get():
        instance.additional_data = purpose | {k: v for k, v in (instance.additional_data or {}).items() if v}
    if instance.content_type.model == "apitoken":  # its key is the hash that is compared with
        instance.object_pk = instance.object_pk[:12]
    request = _request.get()
    if request is None:
        return
    user = getattr(request, "user", None)
    if instance.actor is None and isinstance(user, User):
        instance.actor = user
    instance.remote_addr = instance.remote_addr or client_address(request) or None


def refuse_deletion(sender: Any, instance: LogEntry, **kwargs: Any) -> None:
    raise StateConflict(IS_KEPT)
