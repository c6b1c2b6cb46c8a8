"""Django's admin for the role admin: nobody else gets in, and its log-in page is the product's."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from trainingday.permissions import may_administer


class RoleAdminSite(AdminSite):
    site_header = site_title = "Training Day"
    index_title = "Administration"

    def has_permission(self, request: HttpRequest) -> bool:
        return may_administer(request.user)

    @method_decorator((never_cache, login_not_required))
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from trainingday.access.views import Login

        page: HttpResponse = Login.as_view(redirect_authenticated_user=False)(request)  # type: ignore[assignment]
        return page


class RolePermissions(BaseBackend):
    """Gives the role admin every permission of the admin's pages; signs nobody in."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return may_administer(user_obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return may_administer(user_obj)
