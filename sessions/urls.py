"""Addresses of training sessions, models and reports; the home page is in trainingday/urls.py."""

from django.urls import include, path

from sessions import (
    action_views,
    api,
    compare_views,
    honesty_views,
    model_views,
    report_views,
    settings_views,
    views,
)

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
    path("reports/written/", report_views.written_reports, name="written-reports"),
    path("reports/<int:pk>/", report_views.written_report, name="written-report"),
    path("api/v1/reports/", report_views.ReportView.as_view(), name="api-reports"),
    path("settings/", settings_views.show, name="settings"),
    path("settings/markets/<slug:slug>/", settings_views.change_market, name="change-market"),
    path("compare/<str:kind>/", compare_views.comparison, name="compare"),
    path("api/v1/compare/", compare_views.ComparisonView.as_view(), name="api-compare"),
    path("home/position/<slug:slug>/", views.position, name="position"),
    path("models/", model_views.model_list, name="models"),
    path("models/upload/", model_views.upload, name="upload-model"),
    path("models/<int:pk>/", model_views.detail, name="model"),
    path("models/<int:pk>/plots/", model_views.evidence, name="evidence"),
    path("models/<int:pk>/export/<str:part>/", model_views.export, name="export-model"),
    path("models/<int:pk>/verify/", model_views.verify, name="verify-model"),
    path("models/<int:pk>/promote/", model_views.promote, name="promote-model"),
    path("models/<int:pk>/reject/", model_views.reject, name="reject-model"),
    path("models/<int:pk>/roll-back/", model_views.roll_back, name="roll-back-model"),
    path("honesty/", honesty_views.honesty, name="honesty"),
    path("api/v1/", include("sessions.api_urls")),
    path("api/training/real-session", api.RealSessionView.as_view(), name="real-session"),
]
