"""Who may open a socket: the same scheme, host and port only, or an origin that settings trust."""

from __future__ import annotations

from typing import Any

from channels.middleware import BaseMiddleware
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import validate_host


class SameOrigin(BaseMiddleware):
    """Refuses the handshake with HTTP 403 unless Origin is this site, whole: scheme, host and port.

    Channels' own AllowedHostsOriginValidator accepts another port and `javascript://host`.
    """

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        if not is_same_origin(scope):
            return await WebsocketDenier()(scope, receive, send)
        return await self.inner(scope, receive, send)


def header_of(scope: dict[str, Any], name: bytes) -> str:
    """Return a header of the handshake, "" without it."""
    found = [bytes(value) for key, value in scope.get("headers", []) if key.lower() == name]
    return found[-1].decode("latin-1") if found else ""


def is_same_origin(scope: dict[str, Any]) -> bool:
    """Return whether the socket may open: asked for by this site, or by a program with a token of its own.

    Every browser sends Origin, and none lets a page set Authorization: a handshake with the second and
    without the first is no page's, and then the token alone signs it in.
    """
    origin, host = header_of(scope, b"origin"), header_of(scope, b"host")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    hostname = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    if not host or not validate_host(hostname, settings.ALLOWED_HOSTS):
        return False
    if not origin:
        return bool(header_of(scope, b"authorization"))
    trusts_proxy = bool(getattr(settings, "SECURE_PROXY_SSL_HEADER", None))
    forwarded = header_of(scope, b"x-forwarded-proto") if trusts_proxy else ""
    secure = scope.get("scheme") == "wss" or forwarded == "https"
    return bool(origin == f"{'https' if secure else 'http'}://{host}")
