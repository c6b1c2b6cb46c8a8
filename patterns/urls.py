"""Addresses of patterns and their scans."""

from django.urls import include, path

from patterns import views

app_name = "patterns"
urlpatterns = [
    path("patterns/", views.pattern_list, name="list"),
    path("patterns/scan/", views.start, name="start"),
    path("patterns/<int:pk>/", views.detail, name="detail"),
    path("patterns/<int:pk>/retire/", views.retire, name="retire"),
    path("patterns/scans/<int:pk>/", views.scan, name="scan"),
    path("api/v1/", include("patterns.api_urls")),
]
