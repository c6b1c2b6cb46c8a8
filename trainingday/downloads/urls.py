"""Addresses of downloads; included before the markets', whose slugs would take them."""

from django.urls import include, path

from trainingday.downloads import views

app_name = "downloads"
urlpatterns = [
    path("markets/downloads/", views.download_list, name="list"),
    path("markets/downloads/start/", views.start, name="start"),
    path("markets/downloads/<int:pk>/", views.detail, name="detail"),
    path("markets/<slug:slug>/refresh/", views.refresh, name="refresh"),
    path("api/v1/", include("trainingday.downloads.api_urls")),
]
