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


def is_same_origin(scope: dict[str, Any]) -> bool:
    headers = {name.lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
    origin, host = headers.get(b"origin", ""), headers.get(b"host", "")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    hostname = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    if not host or not validate_host(hostname, settings.ALLOWED_HOSTS):
        return False
    forwarded = (
        headers.get(b"x-forwarded-proto") if getattr(settings, "SECURE_PROXY_SSL_HEADER", None) else None
    )
    secure = scope.get("scheme") == "wss" or forwarded == "https"
    return bool(origin == f"{'https' if secure else 'http'}://{host}")
