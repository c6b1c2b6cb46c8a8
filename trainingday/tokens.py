"""API tokens of one's own: make, see, revoke. Stored hashed; the token itself is shown once."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST
from knox.models import AuthToken

from trainingday.permissions import signed_in

MAX_TOKENS = 20


class TokenForm(forms.Form):
    days = forms.IntegerField(min_value=1, max_value=3650, initial=90, label="Expires after (days)")


@require_http_methods(["GET", "POST"])
def token_list(request: HttpRequest) -> HttpResponse:
    """List the user's tokens, and make one; only the answer to the POST shows it."""
    user = signed_in(request)
    form = TokenForm(request.POST or None)
    fresh = ""
    if request.method == "POST" and form.is_valid():
        if AuthToken.objects.filter(user=user).count() >= MAX_TOKENS:
            form.add_error(None, f"At most {MAX_TOKENS} tokens are allowed; revoke one first.")
        else:
            _, fresh = AuthToken.objects.create(user, expiry=timedelta(days=form.cleaned_data["days"]))
    tokens = AuthToken.objects.filter(user=user).order_by("-created")
    return render(request, "tokens.html", {"form": form, "fresh": fresh, "tokens": tokens})


@require_POST
def revoke_token(request: HttpRequest, token_key: str) -> HttpResponse:
    token = get_object_or_404(AuthToken, user=signed_in(request), token_key=token_key)
    token.delete()
    messages.success(request, f"Revoked token {token_key}….")
    return redirect("tokens")
