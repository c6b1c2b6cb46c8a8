"""Every address of the product."""

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from sessions.views import home
from trainingday import tokens

urlpatterns = [
    path("", home, name="home"),
    path("admin/", admin.site.urls),
    path("login/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("tokens/", tokens.token_list, name="tokens"),
    path("tokens/<str:token_key>/revoke/", tokens.revoke_token, name="revoke-token"),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/v1/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api-docs"),
    path("", include("trainingday.markets.urls")),
    path("", include("trainingday.runs.urls")),
    path("", include("patterns.urls")),
    path("", include("strategies.urls")),
    path("", include("sessions.urls")),
]
