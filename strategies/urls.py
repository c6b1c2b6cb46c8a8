"""Addresses of tournaments and champions."""

from django.urls import include, path

from strategies import views

app_name = "strategies"
urlpatterns = [
    path("tournaments/", views.tournament_list, name="tournaments"),
    path("tournaments/start/", views.start, name="start"),
    path("tournaments/<int:pk>/", views.tournament, name="tournament"),
    path("tournaments/<int:pk>/genealogy/", views.genealogy, name="genealogy"),
    path("champions/", views.champions, name="champions"),
    path("champions/<slug:slug>/", views.champion, name="champion"),
    path("champions/<slug:slug>/roll-back/", views.roll_back, name="roll-back"),
    path("api/v1/", include("strategies.api_urls")),
]
