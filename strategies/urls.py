"""Addresses of tournaments and champions."""

from django.urls import include, path

from strategies import backtest_views, pattern_views, strategy_views, tournament_views, views
from trainingday.exports import CONTENT_TYPES

app_name = "strategies"
urlpatterns = [
    path("tournaments/", views.tournament_list, name="tournaments"),
    path("tournaments/start/", views.start, name="start"),
    path("tournaments/<int:pk>/", tournament_views.tournament, name="tournament"),
    path("tournaments/<int:pk>/genealogy/", tournament_views.genealogy, name="genealogy"),
    *[
        path(f"tournaments/<int:pk>/{name}.{kind}", view, {"kind": kind}, name=f"{name}-{kind}")
        for name, view in (
            ("leaderboard", tournament_views.leaderboard_file),
            ("genealogy", tournament_views.genealogy_file),
        )
        for kind in CONTENT_TYPES
    ],
    path("strategies/", strategy_views.strategy_list, name="list"),
    path("strategies/<int:pk>/", strategy_views.strategy, name="strategy"),
    path("strategies/<int:pk>/promote/", strategy_views.promote, name="promote"),
    path("backtest/", backtest_views.backtest, name="backtest"),
    path("backtest/<slug:table>.csv", backtest_views.backtest_csv, name="backtest-csv"),
    path("patterns/<int:pk>/backtest/", pattern_views.backtest, name="pattern-backtest"),
    path("patterns/signal/<slug:slug>/", pattern_views.signal, name="pattern-signal"),
    path("patterns/signal/<slug:slug>/freeze/", pattern_views.freeze, name="freeze-patterns"),
    path("champions/", views.champions, name="champions"),
    path("champions/<slug:slug>/", views.champion, name="champion"),
    path("champions/<slug:slug>/roll-back/", views.roll_back, name="roll-back"),
    path("api/v1/", include("strategies.api_urls")),
]
