"""Makes API tokens: stored hashed, so the token itself is known only here, once."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User

from trainingday.access.models import ApiToken
from trainingday.exceptions import InvalidArgument, StateConflict

MAX_TOKENS = 20
MAX_DAYS = 3650


def make(user: User, *, scope: str = ApiToken.Scope.READ, days: int = 90, name: str = "") -> str:
    """Return a new token of a user; it cannot be read again.

    Raises
    ------
    InvalidArgument
        If scope or days are out of bounds.
    StateConflict
        If the user has 20 tokens.
    """
    if scope not in ApiToken.Scope.values:
        raise InvalidArgument(f"scope should be one of {ApiToken.Scope.values}, is {scope!r}")
    if not 1 <= days <= MAX_DAYS:
        raise InvalidArgument(f"days should be 1..{MAX_DAYS}, is {days}")
    if ApiToken.objects.filter(user=user).count() >= MAX_TOKENS:
        raise StateConflict(f"at most {MAX_TOKENS} tokens are allowed; revoke one first")
    _, token = ApiToken.objects.create(user, expiry=timedelta(days=days), scope=scope, name=name)
    return str(token)
