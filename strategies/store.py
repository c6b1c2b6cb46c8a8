"""The artefact store that the settings describe."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from strategies.traded_model import TradedModel, load_model
from trainingday.artifacts import ArtifactStore
from trainingday.exceptions import InvalidArgument, NotFound
from trainingday.object_storage import remote_files
from trainingday.typing import JSONDict

N_CACHED_POLICIES = 16


def artifact_store() -> ArtifactStore:
    """Return the store of TRAININGDAY_ARTIFACTS; the first of its keys signs, all of them verify.

    Raises
    ------
    InvalidArgument
        If TRAININGDAY_ARTIFACT_KEYS is empty or an entry is not "id:hex".
    """
    keys = dict(_parse_key(entry) for entry in settings.TRAININGDAY_ARTIFACT_KEYS)
    if not keys:
        raise InvalidArgument("TRAININGDAY_ARTIFACT_KEYS should hold at least 1 key, holds 0")
    folder = Path(settings.TRAININGDAY_ARTIFACTS)
    return ArtifactStore(folder, keys, next(iter(keys)), remote_files("artifacts"))


def cached_members(artifact: str) -> JSONDict:
    """Return the manifest of an ensemble's artefact, checked when it is first read."""
    return _load_manifest(artifact, str(settings.TRAININGDAY_ARTIFACTS))


@lru_cache(maxsize=N_CACHED_POLICIES)
def _load_manifest(artifact: str, folder: str) -> JSONDict:
    return artifact_store().load(artifact)[0]


def cached_model(artifact: str) -> TradedModel:
    """Return the model of an artefact, checked when it is first read; NotFound for an empty name."""
    if not artifact:
        raise NotFound("a model strategy needs the name of its artefact, has none")
    return _load(artifact, str(settings.TRAININGDAY_ARTIFACTS))


def trained_until(artifact: str) -> int | None:
    """Return the last bar that a model was trained on, microseconds UTC; None where it does not say."""
    value = (cached_model(artifact).manifest or {}).get("train_last_us")
    return value if isinstance(value, int) else None


@lru_cache(maxsize=N_CACHED_POLICIES)
def _load(artifact: str, folder: str) -> TradedModel:
    return load_model(artifact_store(), artifact)


def _parse_key(entry: str) -> tuple[str, bytes]:
    key_id, _, digits = entry.strip().partition(":")
    try:
        return key_id, bytes.fromhex(digits)
    except ValueError as error:
        # The entry itself is a secret and stays out of the message.
        raise InvalidArgument(f'artefact key {key_id!r} should be "id:hex", is not') from error
