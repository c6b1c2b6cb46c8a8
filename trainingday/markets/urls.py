"""Addresses of the market pages and of their API."""

from django.urls import include, path

from trainingday.access.limits import limited
from trainingday.markets import views
from trainingday.markets.bar_export import CONTENT_TYPES

app_name = "markets"
urlpatterns = [
    path("markets/", views.market_list, name="list"),
    path("markets/import/", limited("import")(views.import_file), name="import"),
    path("markets/profiles/", views.profile_list, name="profiles"),
    path("markets/profiles/save/", views.save_profile, name="save-profile"),
    path("markets/profiles/<int:pk>/change/", views.change_profile, name="change-profile"),
    path("markets/<slug:slug>/", views.market_detail, name="detail"),
    path("markets/<slug:slug>/candles.json", views.candles, name="candles"),
    *(
        path(f"markets/<slug:slug>/bars.{kind}", views.bars_file, {"kind": kind}, f"bars-{kind}")
        for kind in CONTENT_TYPES
    ),
    path("api/v1/", include("trainingday.markets.api_urls")),
]
