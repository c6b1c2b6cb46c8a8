"""Deployment checks of our own: unsafe configurations refuse to start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

MIN_KEY_HEX_DIGITS = 64
MIN_SECRET_LENGTH = 50
# What only this machine can ask for; "testserver" is what Django's test client calls itself.
LOOPBACK = {"localhost", "127.0.0.1", "[::1]", "testserver"}


@register(Tags.security)
def check_configuration(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return an error for each unsafe setting; a local quick start may only serve loopback names."""
    found: list[CheckMessage] = []
    if "*" in settings.ALLOWED_HOSTS:
        found.append(Error("ALLOWED_HOSTS should name hosts, holds *", id="trainingday.E001"))
    if settings.DEBUG and not settings.LOCAL:
        found.append(Error("DEBUG should be off outside a local quick start, is on", id="trainingday.E002"))
    keys = [entry.partition(":")[2] for entry in settings.TRAININGDAY_ARTIFACT_KEYS]
    if not keys or any(len(key) < MIN_KEY_HEX_DIGITS for key in keys):
        message = (
            f"TRAININGDAY_ARTIFACT_KEYS should hold id:hex keys of >= {MIN_KEY_HEX_DIGITS} digits, does not"
        )
        found.append(Error(message, id="trainingday.E003"))
    if any(key == settings.SECRET_KEY for key in keys):
        found.append(Error("an artefact key should differ from SECRET_KEY, does not", id="trainingday.E004"))
    if not settings.LOCAL and not settings.ALLOWED_HOSTS:
        found.append(Error("ALLOWED_HOSTS should name at least 1 host, is empty", id="trainingday.E005"))
    if not settings.LOCAL and _is_default(settings.SECRET_KEY):
        message = f"SECRET_KEY should be a random one of >= {MIN_SECRET_LENGTH} characters, is not"
        found.append(Error(message, id="trainingday.E006"))
    if settings.LOCAL and (abroad := sorted(set(settings.ALLOWED_HOSTS) - LOOPBACK)):
        message = f"a local quick start should serve loopback names only, serves {', '.join(abroad)}"
        found.append(Error(message, id="trainingday.E007"))
    return found


def _is_default(key: str) -> bool:
    """Return whether a key is short, repeats few characters, or is one that a generator marks as unsafe."""
    return len(key) < MIN_SECRET_LENGTH or len(set(key)) < 10 or key.startswith("django-insecure")
