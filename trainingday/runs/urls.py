from django.urls import path

from trainingday.runs import api, views

app_name = "runs"
urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("workers/", views.workers, name="workers"),
    path("schedules/", views.schedules, name="schedules"),
    path("schedules/<int:pk>/run/", views.run_schedule, name="run-schedule"),
    path("schedules/<int:pk>/pause/", views.pause_schedule, name="pause-schedule"),
    path("runs/<str:public_id>/cancel/", views.cancel_run, name="cancel"),
    path("api/v1/runs/", api.RunListView.as_view(), name="api-runs"),
    path("api/v1/runs/<str:public_id>/", api.RunView.as_view(), name="api-run"),
    path("api/v1/runs/<str:public_id>/events/", api.RunEventsView.as_view(), name="api-run-events"),
    path("api/v1/runs/<str:public_id>/cancel/", api.RunCancelView.as_view(), name="api-run-cancel"),
    path("api/v1/schedules/", api.ScheduleListView.as_view(), name="api-schedules"),
    path("api/v1/workers/", api.WorkerListView.as_view(), name="api-workers"),
]
