"""JSON logs with secrets redacted: by the name before a value, by its form, and by what this process knows."""

import logging
import os
import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

REDACTED = "[redacted]"
WORDS = (
    r"authorization|passw(?:or)?d|secret|token|(?:api|access|private|signing|artifact)_?-?keys?"
    r"|cookie|session_?id|csrf|credential"
)
SECRET_NAME = re.compile(rf"(?i){WORDS}")
# A value in quotes ends with its quote; one without takes the scheme before it along, as in "Authorization: Token x".
NAMED = re.compile(
    rf"(?i)([\w-]*(?:{WORDS})[\w-]*['\"]?\s*(?::|=|%3D)\s*)"
    r"(?:(['\"])(?:\\.|(?!\2).)*\2|(?:(?:bearer|token|basic|digest)\s+)?[^\s'\",;&}\])]+)"
)
SCHEME = re.compile(r"(?i)\b(bearer|basic|token)\s+[A-Za-z0-9._~+/=-]{12,}")
ADDRESS = re.compile(r"([a-zA-Z][\w+.-]*://[^\s:/@]*):[^\s/@]+@")
MIN_SECRET_LENGTH = 6


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return the event without secrets, however deep in it they stand."""
    for key, value in event.items():
        event[key] = REDACTED if SECRET_NAME.search(key) else _clean(value)
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, bytes):
        return clean_text(value.decode(errors="replace"))
    if isinstance(value, Mapping):
        return {
            clean_text(str(key)): REDACTED if SECRET_NAME.search(str(key)) else _clean(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean_text(repr(value))


def clean_text(text: str) -> str:
    """Return a text with the secrets that it names, shows or happens to hold replaced."""
    for secret in _known():
        text = text.replace(secret, REDACTED)
    text = ADDRESS.sub(rf"\1:{REDACTED}@", text)
    text = NAMED.sub(rf"\1{REDACTED}", text)
    return SCHEME.sub(rf"\1 {REDACTED}", text)


@lru_cache(maxsize=1)
def _known() -> tuple[str, ...]:
    """Return the secrets of this process's environment, the longest first."""
    found = set()
    for name, value in os.environ.items():
        if SECRET_NAME.search(name):
            found |= {value, *(entry.rpartition(":")[2].strip() for entry in value.split(","))}
        elif name.endswith("_URL") and (password := _password(value)):
            found |= {password, unquote(password)}
    return tuple(
        sorted((secret for secret in found if len(secret) >= MIN_SECRET_LENGTH), key=len, reverse=True)
    )


def _password(address: str) -> str | None:
    try:
        return urlsplit(address).password
    except ValueError:
        return None


SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.ExtraAdder(),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    redact,
]


def configure() -> None:
    """Send structlog's events through the standard library, so that every line has one form."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def formatter() -> logging.Formatter:
    """Return a formatter that prints one JSON object a line."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
