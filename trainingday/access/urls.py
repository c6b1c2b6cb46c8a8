"""Addresses of log-in, tokens and the audit trail."""

from django.contrib.auth import views as auth_views
from django.urls import include, path
from rest_framework.routers import SimpleRouter

from trainingday.access import api, views

router = SimpleRouter()
router.register("audit", api.AuditViewSet, basename="api-audit")

urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("tokens/", views.token_list, name="tokens"),
    path("tokens/<str:token_key>/revoke/", views.revoke_token, name="revoke-token"),
    path("audit/", views.audit, name="audit"),
    path("api/v1/", include(router.urls)),
]
