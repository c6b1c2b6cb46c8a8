"""The same Idempotency-Key starts once; another body with it is refused; keys are one's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from sessions.models import TrainingSession
from trainingday.markets.models import Market

MakeUser = Callable[[str], User]
SESSIONS, TOURNAMENTS = "/api/v1/training-sessions/", "/api/v1/tournaments/"


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.mark.parametrize("path", [SESSIONS, TOURNAMENTS, "/api/v1/pattern-scans/"])
def test_a_repeated_request_starts_nothing_new_and_another_body_is_refused(
    path: str, market: Market, make_user: MakeUser
) -> None:
    operator = client_of(make_user("operator"))
    body = {"market": market.slug}
    first = operator.post(path, body, format="json", HTTP_IDEMPOTENCY_KEY="k")
    again = operator.post(path, dict(body), format="json", HTTP_IDEMPOTENCY_KEY="k")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["run"] == again.json()["run"]
    other = operator.post(path, {**body, "seed": 5}, format="json", HTTP_IDEMPOTENCY_KEY="k")
    assert other.status_code == 422 and "another body" in other.json()["detail"]


def test_a_key_of_another_user_or_address_is_another_key(market: Market, make_user: MakeUser) -> None:
    ann, bob = client_of(make_user("operator")), client_of(make_user("operator"))
    body = {"market": market.slug}
    assert ann.post(SESSIONS, body, format="json", HTTP_IDEMPOTENCY_KEY="k").status_code == 202
    assert (
        ann.post(TOURNAMENTS, {**body, "seed": 1}, format="json", HTTP_IDEMPOTENCY_KEY="k").status_code == 202
    )
    answer = bob.post(SESSIONS, {**body, "seed": 1}, format="json", HTTP_IDEMPOTENCY_KEY="k")
    assert answer.status_code == 409  # ann's session is active; her key tells bob nothing
    assert TrainingSession.objects.count() == 1
