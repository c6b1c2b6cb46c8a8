"""Every address of the product."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from sessions.views import home

favicon = login_not_required(RedirectView.as_view(url=f"{settings.STATIC_URL}favicon.svg", permanent=True))

urlpatterns = [
    path("favicon.ico", favicon),
    path("", home, name="home"),
    path("admin/", admin.site.urls),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("", include("trainingday.downloads.urls")),
    path("", include("trainingday.access.urls")),
    path("", include("trainingday.markets.urls")),
    path("", include("trainingday.runs.urls")),
    path("", include("patterns.urls")),
    path("", include("strategies.urls")),
    path("", include("sessions.urls")),
]

handler400 = "trainingday.errors.bad_request"
handler403 = "trainingday.errors.forbidden"
handler404 = "trainingday.errors.not_found"
handler500 = "trainingday.errors.server_error"
