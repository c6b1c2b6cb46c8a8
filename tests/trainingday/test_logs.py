"""Logs: one JSON object a line, whoever logs, and no secret in it."""

import json
import logging
import sys
from typing import Any

import pytest
import structlog

from trainingday import logs
from trainingday.logs import formatter


def line_of(record: logging.LogRecord) -> dict[str, str]:
    return json.loads(formatter().format(record))


@pytest.mark.parametrize(
    "message",
    [
        "password=hunter2",
        "Authorization: hunter2",
        '{"api_key": "hunter2"}',
        "token='hunter2' x",
        "Authorization: Token hunter2",
        "{'Authorization': 'Bearer hunter2'}",
        "headers: authorization=bearer hunter2",
        "sent Bearer hunter2hunter2",
        "password='a phrase with hunter2 in it'",
        'secret="quoted \\" hunter2"',
        "postgres://user:hunter2@host/name",
        "could not reach redis://:hunter2@127.0.0.1:6379/0",
        "GET /ws/?since=3&token=hunter2&x=1",
        "TRAININGDAY_ARTIFACT_KEYS=hunter2",
        "AWS_SECRET_ACCESS_KEY: hunter2",
        "Cookie: sessionid=hunter2",
        "set-cookie: csrftoken=hunter2; path=/",
        "private_key = hunter2",
        "passwd:hunter2",
    ],
)
def test_a_secret_in_a_message_is_redacted(message: str) -> None:
    line = line_of(logging.LogRecord("django", logging.ERROR, "f.py", 1, message, (), None))
    assert "hunter2" not in json.dumps(line)
    assert (line["level"], line["logger"]) == ("error", "django")


def test_structured_events_are_redacted_by_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        structlog.get_logger("trainingday.test").error("boom", token="hunter2", how="secret: hunter2", n=3)
    line = line_of(caplog.records[0])
    assert "hunter2" not in json.dumps(line)
    assert (line["event"], line["n"], line["level"]) == ("boom", 3, "error")


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"Authorization": "Token hunter2", "Accept": "*/*"}},
        {"deep": [{"user": {"password": "hunter2"}}]},
        {"url": "postgres://me:hunter2@host/db"},
        {"body": b'{"token": "hunter2"}'},
        {"error": ValueError("password=hunter2")},
        {"pairs": (("x", "secret=hunter2"),)},
        {"api_keys": ["hunter2"]},
    ],
)
def test_no_secret_is_left_however_deep_it_stands(
    fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        structlog.get_logger("trainingday.test").error("boom", **fields)
    text = json.dumps(line_of(caplog.records[0]))
    assert "hunter2" not in text and "[redacted]" in text


def test_a_traceback_with_a_secret_is_redacted() -> None:
    try:
        raise ValueError("cannot log in to https://bot:hunter2@exchange.example with secret: hunter2")
    except ValueError:
        record = logging.LogRecord("django", logging.ERROR, "f.py", 1, "failed", (), sys.exc_info())
    line = line_of(record)
    assert "hunter2" not in json.dumps(line) and "ValueError" in line["exception"]


def test_what_the_environment_keeps_secret_never_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAININGDAY_ARTIFACT_KEYS", "new:" + "ab" * 32 + ",old:" + "cd" * 32)
    monkeypatch.setenv("SECRET_KEY", "a-very-secret-thing")
    monkeypatch.setenv("DATABASE_URL", "postgres://me:p%40ssphrase@host/db")
    logs._known.cache_clear()
    message = f"keys {'ab' * 32} {'cd' * 32} a-very-secret-thing p@ssphrase p%40ssphrase, and the rest"
    event = line_of(logging.LogRecord("django", logging.ERROR, "f.py", 1, message, (), None))["event"]
    logs._known.cache_clear()
    assert event == "keys " + "[redacted] " * 4 + "[redacted], and the rest"


@pytest.mark.parametrize(
    "message",
    [
        "12 tokens were revoked",
        "GET /tokens/ 200",
        "https://example.org/a?b=1",
        "session-12 failed: no bars",
        "",
    ],
)
def test_what_is_no_secret_stays(message: str) -> None:
    line = line_of(logging.LogRecord("django", logging.ERROR, "f.py", 1, message, (), None))
    assert line["event"] == message
