"""The roles viewer, operator and admin, for pages and for the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth.mixins import UserPassesTestMixin
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS, BasePermission

if TYPE_CHECKING:
    # rest_framework.views imports this module through its settings.
    from rest_framework.request import Request
    from rest_framework.views import APIView

VIEWER, OPERATOR, ADMIN = "viewer", "operator", "admin"
ROLES = (VIEWER, OPERATOR, ADMIN)
AnyUser = User | AbstractBaseUser | AnonymousUser


def role_of(user: AnyUser) -> str | None:
    """Return the highest role of a user, None for anonymous; a user of no group reads as a viewer.

    Costs one query for each user object; the answer is kept on it.
    """
    if not isinstance(user, User) or not user.is_active:
        return None
    if user.is_superuser:
        return ADMIN
    if not hasattr(user, "_trainingday_role"):
        names = set(user.groups.values_list("name", flat=True))
        role = ADMIN if ADMIN in names else OPERATOR if OPERATOR in names else VIEWER
        user._trainingday_role = role  # type: ignore[attr-defined]
    return str(user._trainingday_role)  # type: ignore[attr-defined]


def signed_in(request: HttpRequest | Request) -> User:
    """Return the request's user, where LoginRequiredMiddleware or a permission has let only users in."""
    return cast(User, request.user)


def may_operate(user: AnyUser) -> bool:
    return role_of(user) in (OPERATOR, ADMIN)


def may_administer(user: AnyUser) -> bool:
    return role_of(user) == ADMIN


def roles(request: HttpRequest) -> dict[str, Any]:
    """Context processor: what the signed-in user may do."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"role": None, "may_operate": False, "may_administer": False}
    return {"role": role_of(user), "may_operate": may_operate(user), "may_administer": may_administer(user)}


class OperatorRequired(UserPassesTestMixin):
    """Refuses a page to viewers with 403."""

    raise_exception = True
    request: HttpRequest

    def test_func(self) -> bool:
        return may_operate(self.request.user)


class AdminRequired(OperatorRequired):
    def test_func(self) -> bool:
        return may_administer(self.request.user)


class ReadOrOperate(BasePermission):
    """Signed-in users read; operators and admins write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return role_of(request.user) is not None
        return may_operate(request.user)


class ReadOrAdminister(BasePermission):
    """Signed-in users read; admins write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return role_of(request.user) is not None
        return may_administer(request.user)
