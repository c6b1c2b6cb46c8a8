"""Deployment checks of our own: unsafe configurations refuse to start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

MIN_KEY_HEX_DIGITS = 64


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
    return found
