"""Log-in with its limit, API tokens, and the audit trail."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from trainingday.access import limits, tokens
from trainingday.access.audit import reason_of, verb_of
from trainingday.access.forms import TokenForm
from trainingday.access.lists import AUDIT, query_audit
from trainingday.access.models import ApiToken
from trainingday.exceptions import TrainingDayError
from trainingday.permissions import may_administer, signed_in


class Login(LoginView):
    """Counts failures by address, and by address and name; beyond the limit even the right word is refused."""

    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        wait = max(limits.seconds_to_wait(*key) for key in self._keys())
        return limits.too_many(request, wait) if wait else super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        for key in self._keys():
            limits.take(*key)
        return super().form_invalid(form)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        limits.forget(*self._keys()[0])
        return super().form_valid(form)

    def _keys(self) -> list[tuple[str, str]]:
        """Return both counts; the name is hashed, for people type passwords into the wrong field."""
        address = limits.client_address(self.request)
        name = self.request.POST.get("username", "").casefold().encode("utf-8", "replace")
        return [("login", f"{address}:{sha256(name).hexdigest()[:32]}"), ("login-address", address)]


@require_http_methods(["GET", "POST"])
def token_list(request: HttpRequest) -> HttpResponse:
    """List the user's tokens, and make one; only the answer to the POST shows it. Admins see everybody's."""
    user = signed_in(request)
    form = TokenForm(request.POST or None)
    fresh = ""
    if request.method == "POST" and form.is_valid():
        try:
            fresh = tokens.make(user, **form.cleaned_data)
        except TrainingDayError as error:
            form.add_error(None, str(error))
    others = ApiToken.objects.exclude(user=user).select_related("user") if may_administer(user) else []
    context = {"form": form, "fresh": fresh, "tokens": ApiToken.objects.filter(user=user), "others": others}
    return render(request, "access/tokens.html", context)


@require_POST
def revoke_token(request: HttpRequest, token_key: str) -> HttpResponse:
    """Revoke a token of one's own; an admin may revoke anybody's."""
    user = signed_in(request)
    rows = ApiToken.objects.all() if may_administer(user) else ApiToken.objects.filter(user=user)
    token = get_object_or_404(rows, token_key=token_key)
    token.delete()
    messages.success(request, f"Revoked token {token_key}….")
    return redirect("tokens")


def audit(request: HttpRequest) -> HttpResponse:
    may_see_addresses = may_administer(request.user)

    def lines(page: Any) -> dict[str, Any]:
        rows = [(row, verb_of(row), reason_of(row)) for row in page.object_list]
        return {"lines": rows, "may_see_addresses": may_see_addresses}

    return AUDIT.read(request, query_audit()).respond("access/audit.html", "access/_audit.html", lines)
