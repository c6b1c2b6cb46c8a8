"""Tokens: shown once, stored hashed, within their scope, one's own only, useless once revoked or expired."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from trainingday.access import tokens
from trainingday.access.models import ApiToken
from trainingday.exceptions import InvalidArgument, StateConflict

MakeUser = Callable[[str], User]
START = "/api/v1/training-sessions/"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def api_with(token: str) -> APIClient:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return api


def test_a_token_is_shown_once_and_opens_the_api_until_it_is_revoked(make_user: MakeUser) -> None:
    user = make_user("viewer")
    client = signed_in(user)
    page = client.post(reverse("tokens"), {"days": 30, "scope": "read", "name": "my bot"})
    token = str(page.context["fresh"])
    assert token and token not in client.get(reverse("tokens")).content.decode()
    row = ApiToken.objects.get(user=user)
    assert token not in row.digest and row.expiry is not None and row.name == "my bot"
    api = api_with(token)
    assert api.get("/api/v1/runs/").status_code == 200
    client.post(reverse("revoke-token", args=[row.token_key]))
    assert api.get("/api/v1/runs/").status_code == 401


@pytest.mark.parametrize(("scope", "status"), [("read", 403), ("operate", 400)])
def test_a_token_that_may_only_read_starts_nothing_whatever_its_user_may(
    scope: str, status: int, make_user: MakeUser
) -> None:
    api = api_with(tokens.make(make_user("admin"), scope=scope))
    assert api.get(START).status_code == 200
    assert api.post(START, {}, format="json").status_code == status


def test_a_token_gives_no_more_than_its_users_role(make_user: MakeUser) -> None:
    api = api_with(tokens.make(make_user("viewer"), scope="operate"))
    assert api.post(START, {}, format="json").status_code == 403


def test_an_expired_token_and_one_of_a_deactivated_user_are_refused(make_user: MakeUser) -> None:
    user = make_user("viewer")
    token = tokens.make(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert api_with(token).get("/api/v1/runs/").status_code == 401
    User.objects.filter(pk=user.pk).update(is_active=True)
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    assert api_with(token).get("/api/v1/runs/").status_code == 401
    assert not ApiToken.objects.exists()


def test_the_last_use_is_stored_at_most_once_a_minute(make_user: MakeUser) -> None:
    api = api_with(tokens.make(make_user("viewer")))
    api.get("/api/v1/runs/")
    first = ApiToken.objects.get().last_used_at
    assert first is not None and timezone.now() - first < timedelta(seconds=30)
    api.get("/api/v1/runs/")
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=5))
    api.get("/api/v1/runs/")
    assert ApiToken.objects.get().last_used_at >= first


def test_nobody_sees_or_revokes_anothers_token_but_an_admin(make_user: MakeUser) -> None:
    tokens.make(make_user("operator"), name="theirs")
    row = ApiToken.objects.get()
    other = signed_in(make_user("operator"))
    assert "theirs" not in other.get(reverse("tokens")).content.decode()
    assert other.post(reverse("revoke-token", args=[row.token_key])).status_code == 404
    assert ApiToken.objects.count() == 1
    admin = signed_in(make_user("admin"))
    assert "theirs" in admin.get(reverse("tokens")).content.decode()
    assert admin.post(reverse("revoke-token", args=[row.token_key])).status_code == 302
    assert not ApiToken.objects.exists()
    assert LogEntry.objects.get_for_model(ApiToken).filter(action=LogEntry.Action.DELETE).count() == 1


def test_the_audit_trail_never_holds_a_digest(make_user: MakeUser) -> None:
    tokens.make(make_user("operator"))
    row = ApiToken.objects.get()
    digest = row.digest
    row.delete()
    entries = list(LogEntry.objects.get_for_model(ApiToken).values())
    assert len(entries) == 2 and digest not in str(entries)


def test_bad_fields_make_no_token(make_user: MakeUser) -> None:
    user = make_user("viewer")
    client = signed_in(user)
    for days in (0, -1, 99_999, "x"):
        assert client.post(reverse("tokens"), {"days": days, "scope": "read"}).status_code == 200
    client.post(reverse("tokens"), {"days": 5, "scope": "root"})
    for bad in ({"scope": "root"}, {"days": 0}, {"days": 4000}):
        with pytest.raises(InvalidArgument):
            tokens.make(user, **bad)
    assert not ApiToken.objects.exists()


def test_a_user_has_twenty_tokens_at_most(make_user: MakeUser) -> None:
    user = make_user("viewer")
    for _ in range(tokens.MAX_TOKENS):
        tokens.make(user)
    with pytest.raises(StateConflict, match="at most 20"):
        tokens.make(user)
