"""ASGI entry: pages and API over HTTP, progress over WebSocket."""

import os

import django
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trainingday.settings")
django.setup(set_prefix=False)

from strategies.preload import preload_beside  # noqa: E402  (needs the app registry)
from strategies.routing import websocket_urlpatterns as signal_sockets  # noqa: E402
from trainingday.kept_threads import KeptThreads  # noqa: E402
from trainingday.runs.routing import websocket_urlpatterns as run_sockets  # noqa: E402
from trainingday.runs.sockets import SameOrigin  # noqa: E402
from trainingday.whole_requests import WholeRequests  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": KeptThreads(WholeRequests()),
        "websocket": SameOrigin(AuthMiddlewareStack(URLRouter([*run_sockets, *signal_sockets]))),
    }
)
preload_beside()
