"""Import profiles: saved from a file that could be read, applied to others, renamed, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core import signing
from django.db import IntegrityError, transaction

from trainingday.exceptions import InvalidArgument, NotFound, StateConflict
from trainingday.markets.importers.options import Detected, ImportOptions
from trainingday.markets.importers.profile import kept_options, layout_of, with_profile
from trainingday.markets.models import ImportProfile

SALT = "import-profile"
MAX_AGE_SECONDS = 86_400  # of a preview from which a profile may still be saved
MAX_NAME = 60


def save_profile(name: str, options: ImportOptions, detected: Detected, user: User | None) -> ImportProfile:
    """Store how a file was read under a name.

    Raises
    ------
    InvalidArgument
        If the name is no 1..60 printable characters.
    StateConflict
        If another profile has the name.
    """
    return _store(name, kept_options(options), layout_of(detected), user)


def seal(options: ImportOptions, detected: Detected) -> str:
    """Return what a preview hands to the browser, so that a profile can be saved without the file."""
    return signing.dumps({"options": kept_options(options), "layout": layout_of(detected)}, salt=SALT)


def save_sealed(name: str, sealed: str, user: User | None) -> ImportProfile:
    """Store a profile from a preview; raise InvalidArgument where the preview is not ours or a day old."""
    try:
        content: Mapping[str, Any] = signing.loads(sealed, salt=SALT, max_age=MAX_AGE_SECONDS)
    except signing.BadSignature as error:
        raise InvalidArgument("the preview is too old or was altered; preview the file again") from error
    return _store(name, content["options"], content["layout"], user)


def find_profile(name: str) -> ImportProfile:
    """Return the profile of a name; raise NotFound, naming those there are."""
    profile = ImportProfile.objects.filter(name=name.strip()).first()
    if profile is None:
        known = ", ".join(ImportProfile.objects.values_list("name", flat=True)[:20])
        raise NotFound(
            f"import profile {name[:MAX_NAME]!r} does not exist; known profiles: {known or 'none'}"
        )
    return profile


def apply_profile(options: ImportOptions, profile: ImportProfile) -> ImportOptions:
    """Return the options with the profile's wherever they were left at their default."""
    return with_profile(options, profile.name, profile.options, profile.layout)


def rename_profile(profile: ImportProfile, name: str) -> ImportProfile:
    """Give a profile another name; the same errors as for a new one."""
    profile.name = _checked(name)
    try:
        with transaction.atomic():
            profile.save(update_fields=["name"])
    except IntegrityError as error:
        raise _taken(name) from error
    return profile


def _store(
    name: str, options: Mapping[str, Any], layout: Mapping[str, Any], user: User | None
) -> ImportProfile:
    clean = _checked(name)
    try:
        with transaction.atomic():
            return ImportProfile.objects.create(
                name=clean, options=dict(options), layout=dict(layout), saved_by=user
            )
    except IntegrityError as error:
        raise _taken(clean) from error


def _checked(name: str) -> str:
    clean = name.strip()
    if not 1 <= len(clean) <= MAX_NAME or not clean.isprintable():
        raise InvalidArgument(f"name should be 1..{MAX_NAME} printable characters, is {name[:80]!r}")
    return clean


def _taken(name: str) -> StateConflict:
    return StateConflict(f"an import profile named {name.strip()!r} exists; rename or delete it first")
