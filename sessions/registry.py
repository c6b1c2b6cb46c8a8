"""The registry of models: promote, reject, roll back, verify, export, upload. Evidence decides; people give reasons."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

from sessions.models import ModelVersion
from strategies import queries as strategy_queries
from strategies import services as strategy_services
from strategies.models import Champion, Strategy
from strategies.positions import MODEL_FAMILY, get_or_create_strategy
from strategies.store import artifact_store
from strategies.traded_model import load_model, model_of
from trainingday.artifacts import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    MAX_SIGNATURE_BYTES,
    MAX_WEIGHTS_BYTES,
    SIGNATURE,
    WEIGHTS,
    SignatureMismatch,
    WeightsAltered,
)
from trainingday.exceptions import (
    ArtifactRejected,
    InvalidArgument,
    NotFound,
    StateConflict,
    TrainingDayError,
)
from trainingday.markets.models import Market
from trainingday.typing import JSONDict

VALID, REFUSED = "valid", "refused"
PARTS = {"weights": WEIGHTS, "manifest": MANIFEST, "signature": SIGNATURE}
_SUFFIX = {"weights": ".safetensors", "manifest": ".json", "signature": ".sig"}
_CAPS = {"weights": MAX_WEIGHTS_BYTES, "manifest": MAX_MANIFEST_BYTES, "signature": MAX_SIGNATURE_BYTES}
ZIP = b"PK\x03\x04"


class NotAnExport(TrainingDayError):
    """An uploaded file is no part of a signed export."""


def promote(version: ModelVersion, *, reason: str, user: User) -> Champion:
    """Make a model champion again by hand; raises as `strategies.services.promote`."""
    champion = strategy_services.promote(version.strategy, reason=reason, user=user)
    version.refresh_from_db()
    return champion


def reject(version: ModelVersion, *, reason: str, user: User) -> None:
    """Mark a model as rejected by hand, with the reason; raises as `promote`."""
    text = strategy_services.checked_reason(reason, user)
    open_stages = (ModelVersion.Stage.CANDIDATE, ModelVersion.Stage.RETIRED)
    if version.stage not in open_stages:
        hint = ": roll it back instead" if version.stage == ModelVersion.Stage.CHAMPION else ""
        raise StateConflict(f"{_name(version)} is {version.stage} and cannot be rejected{hint}")
    version.stage = ModelVersion.Stage.REJECTED
    version.stage_reason = f"Rejected by {user.get_username()}: {text}"
    version.save(update_fields=["stage", "stage_reason"])


def roll_back(version: ModelVersion, *, reason: str, user: User) -> Champion | None:
    """End this model's reign and take the one before up again; return the new reign, None where there is none."""
    champion = strategy_queries.current_champion(version.market)
    if champion is None or champion.strategy_id != version.strategy_id:
        strategy_services.checked_reason(reason, user)
        raise StateConflict(f"{_name(version)} is not the champion, there is nothing to roll back")
    return strategy_services.roll_back(champion, reason=reason, user=user)


def refuse_deletion(version: ModelVersion) -> None:
    """Raise StateConflict: a model is evidence, and a champion is what a bot follows."""
    if version.stage == ModelVersion.Stage.CHAMPION:
        raise StateConflict("champion cannot be deleted")
    raise StateConflict("a model is evidence and cannot be deleted: reject it with a reason")


def verify(version: ModelVersion) -> JSONDict:
    """Check signatures, hashes and weights of a model's artefacts anew, past every cache; return and store the result."""
    store = artifact_store()
    names = dict.fromkeys([version.artifact, version.selection_strategy.artifact])
    found: JSONDict = {"state": VALID, "reason": "", "key_id": "", "at": timezone.now().isoformat()}
    try:
        policies = [load_model(store, name).policy for name in names]
        found["key_id"] = store.key_id(version.artifact)
        if policies[0].weights_hash() != version.weights_hash:
            raise ArtifactRejected("the weights are not those that the session recorded")
        found["reason"] = (
            f"{len(names)} artefacts: signature, hashes, shapes and values are as they were signed"
        )
        found["is_current_key"] = found["key_id"] == store.current_key_id
    except ArtifactRejected as error:
        found |= {"state": REFUSED, "reason": str(error)}
    ModelVersion.objects.filter(pk=version.pk).update(signature=found)
    version.signature = found
    return found


def export_part(version: ModelVersion, part: str) -> tuple[str, bytes]:
    """Return file name and bytes of "weights", "manifest" or "signature"; the artefact is checked first."""
    if part not in PARTS:
        raise NotFound(f"part should be one of {sorted(PARTS)}, is {part!r}")
    name = f"{version.market.slug}-v{version.number}{_SUFFIX[part]}"
    return name, artifact_store().part(version.artifact, PARTS[part])


def upload(market: Market, files: dict[str, UploadedFile[Any]]) -> tuple[Strategy, bool]:
    """Store a signed export as a strategy of a market; return it and whether it is new.

    Parameters
    ----------
    files : mapping of "weights", "manifest" and "signature" to uploaded files

    Raises
    ------
    NotAnExport
        If a file is none of the three parts, by its name or its first bytes.
    InvalidArgument
        If a part is missing, or too large.
    SignatureMismatch, WeightsAltered, ArtifactRejected
        If it is not as one of this installation's keys has signed it; nothing is stored then.
    """
    for part, file in files.items():
        if part not in PARTS or not str(file.name).endswith(_SUFFIX[part]) or file.read(4) == ZIP:
            raise NotAnExport("only signed exports (.safetensors + manifest) are accepted")
        file.seek(0)
    missing = sorted(set(PARTS) - set(files))
    if missing:
        raise InvalidArgument(
            f"an export has a weights, a manifest and a signature file, {missing} is missing"
        )
    contents = {part: file.read(_CAPS[part] + 1) for part, file in files.items()}
    store = artifact_store()
    try:
        model_of(*store.check(**_as_parts(contents)))
    except (SignatureMismatch, WeightsAltered) as error:
        raise type(error)(f"signature does not match: {error}") from error
    except ArtifactRejected as error:
        raise ArtifactRejected(f"weights do not match the manifest: {error}") from error
    name = store.add(**_as_parts(contents))
    is_known = Strategy.objects.filter(market=market, artifact=name).exists()
    return get_or_create_strategy(market, MODEL_FAMILY, {}, name), not is_known


def _as_parts(contents: dict[str, bytes]) -> dict[str, bytes]:
    return {
        "weights": contents["weights"],
        "body": contents["manifest"],
        "signature": contents["signature"],
    }


def _name(version: ModelVersion) -> str:
    return f"version {version.number} of {version.market.slug}"
