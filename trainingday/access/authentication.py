"""Signs API requests in by token, within the token's scope, and counts them."""

from __future__ import annotations

from typing import Any

from knox.auth import TokenAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from trainingday.access import limits
from trainingday.access.models import ApiToken


class ScopedTokenAuthentication(TokenAuthentication):
    """A token of scope `read` may only read, whatever its user may do."""

    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        if found is None:
            return None
        user, token = found
        if token.scope != ApiToken.Scope.OPERATE and request.method not in SAFE_METHODS:
            raise PermissionDenied("This token may only read.")
        token.mark_used()
        return user, token


class RequestThrottle(BaseThrottle):
    """Counts reads and writes of each user apart; imports also count as imports."""

    wait_seconds = 0

    def allow_request(self, request: Request, view: Any) -> bool:
        names = ["read" if request.method in SAFE_METHODS else "write"]
        if names == ["write"] and (extra := getattr(view, "write_limit", "")):
            names.append(extra)
        who = str(request.user.pk or limits.client_address(request._request))
        self.wait_seconds = max(limits.take(name, who) for name in names)
        return not self.wait_seconds

    def wait(self) -> float:
        return float(self.wait_seconds)
