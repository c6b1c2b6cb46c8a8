"""ASGI entry: pages and API over HTTP, progress over WebSocket."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trainingday.settings")
http = get_asgi_application()

from strategies.preload import preload_beside  # noqa: E402  (needs the app registry)
from strategies.routing import websocket_urlpatterns as signal_sockets  # noqa: E402
from trainingday.kept_threads import KeptThreads  # noqa: E402
from trainingday.runs.routing import websocket_urlpatterns as run_sockets  # noqa: E402
from trainingday.runs.sockets import SameOrigin  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": KeptThreads(http),
        "websocket": SameOrigin(AuthMiddlewareStack(URLRouter([*run_sockets, *signal_sockets]))),
    }
)
preload_beside()
