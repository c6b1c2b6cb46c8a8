"""Addresses of the market pages and of their API."""

from django.urls import URLPattern, URLResolver

app_name = "markets"
urlpatterns: list[URLPattern | URLResolver] = []
