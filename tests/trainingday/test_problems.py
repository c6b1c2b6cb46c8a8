"""The one format of errors (RFC 9457), wherever under /api/ they arise."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from tests import pages
from trainingday import errors

MEMBERS = {"type", "title", "status", "detail", "instance"}


@pytest.fixture
def api(db: None) -> APIClient:
    client = APIClient()
    client.force_authenticate(pages.make_user("operator"))
    return client


def check(answer: Any, status: int, title: str, instance: str) -> dict[str, Any]:
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) >= MEMBERS
    assert (body["status"], body["title"]) == (answer.status_code, title) == (status, title)
    assert body["type"] == "about:blank" and body["instance"] == instance and body["detail"]
    return body


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("get", "/api/v1/nothing/", 404, "Not Found"),
        ("get", "/api/v1/training-sessions/0/", 404, "Not Found"),
        ("get", "/api/v1/training-sessions/?colour=red", 400, "Bad Request"),
        ("post", "/api/v1/strategies/1/promote/", 403, "Forbidden"),
        ("delete", "/api/v1/trials/", 405, "Method Not Allowed"),
        ("post", "/api/v1/training-sessions/", 400, "Bad Request"),
    ],
)
def test_every_refusal_is_a_problem(method: str, path: str, status: int, title: str, api: APIClient) -> None:
    body = check(getattr(api, method)(path), status, title, path.partition("?")[0])
    assert ("errors" in body) == (status == 400)


def test_a_visitor_is_told_how_to_sign_in(db: None) -> None:
    answer = APIClient().get("/api/v1/runs/")
    check(answer, 401, "Unauthorized", "/api/v1/runs/")
    assert answer["WWW-Authenticate"] == "Token"


def test_a_forged_form_of_a_signed_in_browser_is_a_problem(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(pages.make_user("operator"))
    check(client.post("/api/v1/training-sessions/", {}), 403, "Forbidden", "/api/v1/training-sessions/")
    assert client.post("/sessions/start/", {}).status_code == 403


def test_a_fault_is_a_problem_without_its_cause() -> None:
    body = check(
        Answer(errors.server_error(RequestFactory().get("/api/v1/x/"))),
        500,
        "Internal Server Error",
        "/api/v1/x/",
    )
    assert "Traceback" not in body["detail"]


class Answer:
    """A bare response with the `json` that a test client's has."""

    def __init__(self, response: Any) -> None:
        self.status_code, self._response = response.status_code, response

    def __getitem__(self, name: str) -> str:
        return str(self._response[name])

    def json(self) -> Any:
        import json

        return json.loads(self._response.content)


def test_pages_answer_with_pages(db: None) -> None:
    client = Client()
    client.force_login(pages.make_user("viewer"))
    for path, status in (("/nothing/", 404), ("/sessions/start/", 403)):
        answer = client.get(path)
        assert answer.status_code == status and b"<html" in answer.content
