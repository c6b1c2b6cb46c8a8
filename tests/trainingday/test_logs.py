"""Logs: one JSON object a line, whoever logs, and no secret in it."""

import json
import logging

import pytest
import structlog

from trainingday.logs import formatter


def line_of(record: logging.LogRecord) -> dict[str, str]:
    return json.loads(formatter().format(record))


@pytest.mark.parametrize(
    "message", ["password=hunter2", "Authorization: hunter2", '{"api_key": "hunter2"}', "token='hunter2' x"]
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
