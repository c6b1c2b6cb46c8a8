from django.urls import path

from strategies.consumers import SignalConsumer

websocket_urlpatterns = [path("ws/signals/", SignalConsumer.as_asgi())]
