"""JSON logs with secrets redacted."""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET = re.compile(
    r"(?i)(authorization|password|secret|token|api_?key)(['\"]?\s*[:=]\s*)(['\"]?)[^\s'\",}]+"
)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return the event with every value that follows a secret's name replaced."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = SECRET.sub(r"\1\2\3[redacted]", value)
        if re.search(r"(?i)password|secret|token|api_?key", key):
            event[key] = "[redacted]"
    return event


def formatter() -> logging.Formatter:
    """Return a formatter that prints one JSON object a line."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
        redact,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
