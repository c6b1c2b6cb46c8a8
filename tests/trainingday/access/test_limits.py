"""Rate limits: counted for each person, lifted with the window, with the time to wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from trainingday.access import limits
from trainingday.access.models import RateCount

MakeUser = Callable[[str], User]
PASSWORD = "a long enough one"


class Clock:
    now = 1_000_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    caches["default"].clear()
    return clock


@pytest.fixture
def small(settings: Any, clock: Clock) -> Clock:
    settings.TRAININGDAY_RATE_LIMITS = {
        "login": (3, 300), "login-address": (6, 300), "read": (4, 60), "write": (3, 60), "import": (1, 60),
    }  # fmt: skip
    return clock


@pytest.mark.parametrize("name", ["read", "write"])
def test_a_window_allows_its_uses_and_the_next_one_starts_anew(name: str, small: Clock, db: None) -> None:
    limit = {"read": 4, "write": 3}[name]
    small.now = 60 * 10_000 + 50.0
    assert [limits.take(name, "ann") for _ in range(limit + 2)] == [0] * limit + [10, 10]
    assert limits.take(name, "bob") == 0
    small.now += 10
    assert limits.take(name, "ann") == 0


def test_old_counts_of_strangers_are_forgotten(small: Clock, db: None) -> None:
    for stranger in range(5):
        limits.take("login", f"10.0.0.{stranger}")
    small.now += 10_000
    limits.take("login", "10.0.1.1")
    assert RateCount.objects.count() == 1


def log_in(client: Client, name: str, password: str, address: str = "10.0.0.1", path: str = "/login/") -> Any:
    return client.post(path, {"username": name, "password": password}, REMOTE_ADDR=address)


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_after_too_many_wrong_passwords_even_the_right_one_waits(
    path: str, small: Clock, make_user: MakeUser
) -> None:
    user, client = make_user("viewer"), Client()
    for _ in range(3):
        assert log_in(client, user.username, "wrong", path=path).status_code == 200
    refused = log_in(client, user.username.upper(), PASSWORD, path=path)
    assert refused.status_code == 429 and 1 <= int(refused["Retry-After"]) <= 300
    assert b"Try again in" in refused.content and "_auth_user_id" not in client.session
    assert log_in(Client(), user.username, PASSWORD, "10.9.9.9").status_code == 302
    small.now += 300
    assert log_in(client, user.username, PASSWORD, path=path).status_code == 302


def test_a_right_password_forgives_the_wrong_ones_before_it(small: Clock, make_user: MakeUser) -> None:
    user = make_user("viewer")
    for _ in range(2):
        for _ in range(2):
            log_in(Client(), user.username, "wrong")
        assert log_in(Client(), user.username, PASSWORD).status_code == 302


def test_one_address_that_tries_many_names_is_stopped(small: Clock, make_user: MakeUser) -> None:
    statuses = [log_in(Client(), f"name{i}\x00", "wrong").status_code for i in range(8)]
    assert statuses == [200] * 6 + [429] * 2


def test_no_typed_name_is_stored(small: Clock, db: None) -> None:
    log_in(Client(), "my-password-by-mistake", "wrong")
    assert RateCount.objects.exists() and not RateCount.objects.filter(key__contains="mistake").exists()


def test_the_api_answers_429_with_the_seconds_to_wait(small: Clock, make_user: MakeUser) -> None:
    ann, bob = APIClient(), APIClient()
    ann.force_authenticate(make_user("operator"))
    bob.force_authenticate(make_user("operator"))
    assert [ann.get("/api/v1/runs/").status_code for _ in range(5)] == [200] * 4 + [429]
    assert [ann.post("/api/v1/tournaments/", {}).status_code for _ in range(4)] == [400] * 3 + [429]
    refused = ann.post("/api/v1/tournaments/", {})
    assert refused["Content-Type"] == "application/problem+json" and 1 <= int(refused["Retry-After"]) <= 60
    assert bob.get("/api/v1/runs/").status_code == 200


def test_imports_by_page_and_by_api_share_their_limit(small: Clock, make_user: MakeUser) -> None:
    user, page, api = make_user("operator"), Client(), APIClient()
    page.force_login(user)
    api.force_authenticate(user)
    assert page.post("/markets/import/", {}).status_code == 422
    assert page.get("/markets/import/").status_code == 200
    assert page.post("/markets/import/", {}).status_code == 429
    assert api.post("/api/v1/datasets/", {}).status_code == 429


@pytest.mark.parametrize(("trusted", "address"), [(False, "10.0.0.1"), (True, "192.0.2.7")])
def test_a_forged_header_changes_no_address(trusted: bool, address: str, settings: Any) -> None:
    settings.TRUST_PROXY_HEADERS = trusted
    request = RequestFactory().get(
        "/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "203.0.113.9, 192.0.2.7"}
    )
    assert limits.client_address(request) == address
