from django.urls import path

from trainingday.runs.consumers import RunConsumer

websocket_urlpatterns = [
    path("ws/runs/", RunConsumer.as_asgi()),
    path("ws/runs/<str:public_id>/", RunConsumer.as_asgi()),
]
