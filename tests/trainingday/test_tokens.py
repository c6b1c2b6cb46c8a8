"""Tokens: shown once, stored hashed, one's own only, useless once revoked."""

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken
from rest_framework.test import APIClient

MakeUser = Callable[[str], User]


def make_token(client: Client, days: int = 30) -> str:
    page = client.post(reverse("tokens"), {"days": days})
    return str(page.context["fresh"])


def test_a_token_is_shown_once_and_opens_the_api_until_it_is_revoked(make_user: MakeUser) -> None:
    user, client = make_user("viewer"), Client()
    client.force_login(user)
    token = make_token(client)
    assert token and token not in client.get(reverse("tokens")).content.decode()
    row = AuthToken.objects.get(user=user)
    assert token not in row.digest and row.expiry is not None
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    assert api.get("/api/v1/runs/").status_code == 200
    client.post(reverse("revoke-token", args=[row.token_key]))
    assert api.get("/api/v1/runs/").status_code == 401


def test_nobody_revokes_anothers_token(make_user: MakeUser) -> None:
    owner, other = make_user("operator"), Client()
    AuthToken.objects.create(owner)
    other.force_login(make_user("operator"))
    row = AuthToken.objects.get()
    assert other.post(reverse("revoke-token", args=[row.token_key])).status_code == 404
    assert AuthToken.objects.count() == 1


def test_bad_days_make_no_token(make_user: MakeUser) -> None:
    client = Client()
    client.force_login(make_user("viewer"))
    for days in (0, -1, 99_999, "x"):
        assert client.post(reverse("tokens"), {"days": days}).status_code == 200
    assert not AuthToken.objects.exists()
