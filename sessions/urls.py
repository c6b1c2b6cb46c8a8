"""Addresses of training sessions, models and reports; the home page is in trainingday/urls.py."""

from django.urls import include, path

from sessions import action_views, api, compare_views, honesty_views, report_views, settings_views, views

app_name = "sessions"
urlpatterns = [
    path("sessions/", views.session_list, name="list"),
    path("sessions/start/", views.start, name="start"),
    path("sessions/<int:pk>/", views.detail, name="detail"),
    path("sessions/<int:pk>/report/", views.report, name="report"),
    path("sessions/<int:pk>/report.json", views.report_json, name="report-json"),
    path("sessions/<int:pk>/clone/", action_views.clone, name="clone"),
    path("sessions/<int:pk>/resume/", action_views.resume, name="resume"),
    path("sessions/<int:pk>/replay/", action_views.replay, name="start-replay"),
    path("replays/<int:pk>/", views.replay, name="replay"),
    path("reports/", report_views.reports, name="reports"),
    path("api/v1/reports/", report_views.ReportView.as_view(), name="api-reports"),
    path("settings/", settings_views.show, name="settings"),
    path("settings/markets/<slug:slug>/", settings_views.change_market, name="change-market"),
    path("compare/<str:kind>/", compare_views.comparison, name="compare"),
    path("api/v1/compare/", compare_views.ComparisonView.as_view(), name="api-compare"),
    path("models/", views.model_list, name="models"),
    path("models/<int:pk>/", views.model_detail, name="model"),
    path("honesty/", honesty_views.honesty, name="honesty"),
    path("api/v1/", include("sessions.api_urls")),
    path("api/training/real-session", api.RealSessionView.as_view(), name="real-session"),
]
