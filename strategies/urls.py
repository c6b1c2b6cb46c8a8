"""Addresses of tournaments and champions."""

from django.urls import include, path

from strategies import backtest_views, views

app_name = "strategies"
urlpatterns = [
    path("tournaments/", views.tournament_list, name="tournaments"),
    path("tournaments/start/", views.start, name="start"),
    path("tournaments/<int:pk>/", views.tournament, name="tournament"),
    path("tournaments/<int:pk>/genealogy/", views.genealogy, name="genealogy"),
    path("backtest/", backtest_views.backtest, name="backtest"),
    path("backtest/<slug:table>.csv", backtest_views.backtest_csv, name="backtest-csv"),
    path("champions/", views.champions, name="champions"),
    path("champions/<slug:slug>/", views.champion, name="champion"),
    path("champions/<slug:slug>/roll-back/", views.roll_back, name="roll-back"),
    path("api/v1/", include("strategies.api_urls")),
]
