"""Signed, content-addressed model files: what was written is what is read, or nothing is.

One artefact is a folder named by the sha256 of its manifest, with three files:

`weights.safetensors`  the arrays;
`manifest.json`        canonical JSON: what the arrays are, their sha256 and size;
`manifest.sig`         key id and HMAC-SHA256 of the manifest, under a key of its own.

Nothing in it is code, and no bytes are parsed before their signature or signed hash has been checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors
from safetensors.numpy import save as dump_safetensors

from trainingday.exceptions import ArtifactRejected, InvalidArgument
from trainingday.typing import JSONDict

WEIGHTS, MANIFEST, SIGNATURE = "weights.safetensors", "manifest.json", "manifest.sig"
PARTS = (WEIGHTS, MANIFEST, SIGNATURE)
FORMAT = "trainingday-artifact-1"
MAX_WEIGHTS_BYTES = 64 * 1024 * 1024
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_SIGNATURE_BYTES = 1024
MIN_KEY_BYTES = 16
NAME = re.compile(r"[0-9a-f]{64}\Z")
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
RESERVED = frozenset({"format", "weights_sha256", "weights_bytes", "arrays"})


class SignatureMismatch(ArtifactRejected):
    """The manifest's signature is malformed, of an unknown key, or not of these bytes."""


class WeightsAltered(ArtifactRejected):
    """The weights are not those whose hash was signed."""


Arrays = dict[str, NDArray[Any]]
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: JSONDict) -> bytes:
    """Return the one spelling of a JSON object: sorted keys, no spaces, no NaN, ASCII."""
    try:
        return _CANONICAL.encode(value).encode("ascii")
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"manifest should be JSON without NaN, is not: {error}") from error


class Remote(Protocol):
    """Where artefacts of other machines lie, such as object storage; nothing that it gives is trusted."""

    def has(self, name: str) -> bool: ...

    def put(self, name: str, content: bytes) -> None: ...

    def get(self, name: str) -> bytes | None: ...


@dataclass(frozen=True)
class ArtifactStore:
    """A folder of artefacts, and the keys that sign them.

    Attributes
    ----------
    folder : Path
    keys : mapping of key id to secret bytes
        Old keys stay here as long as artefacts signed with them should load.
    current_key_id : str
        The key that signs new artefacts.
    remote : Remote or None
        Takes what is saved here and gives what is missing here.
    """

    folder: Path
    keys: Mapping[str, bytes] = field(repr=False)
    current_key_id: str
    remote: Remote | None = None

    def __post_init__(self) -> None:
        if self.current_key_id not in self.keys:
            raise InvalidArgument(f"current_key_id should be one of the keys, is {self.current_key_id!r}")
        for key_id, key in self.keys.items():
            if not KEY_ID.match(key_id):
                raise InvalidArgument(f"key id should be 1..64 of A-Z a-z 0-9 _ -, is {key_id!r}")
            if len(key) < MIN_KEY_BYTES:
                raise InvalidArgument(f"key {key_id} should be >= {MIN_KEY_BYTES} bytes, is {len(key)}")

    def save(self, arrays: Mapping[str, NDArray[Any]], manifest: JSONDict) -> str:
        """Store arrays and manifest; return the artefact's name. Saving the same again changes nothing.

        Raises
        ------
        InvalidArgument
            If there is no array, one is not finite, the manifest is not JSON or uses a reserved key, or
            the artefact is over the size caps.
        """
        if RESERVED & manifest.keys():
            raise InvalidArgument(f"manifest should not set {sorted(RESERVED & manifest.keys())}")
        kept = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        fault = _fault_of(kept)
        if fault:
            raise InvalidArgument(fault)
        weights = dump_safetensors(kept)
        full = {
            **manifest,
            "format": FORMAT,
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
            "weights_bytes": len(weights),
            "arrays": {name: _shape_of(array) for name, array in kept.items()},
        }
        body = canonical_json(full)
        if len(weights) > MAX_WEIGHTS_BYTES or len(body) > MAX_MANIFEST_BYTES:
            raise InvalidArgument(f"artefact is over the size cap: {len(weights)} and {len(body)} bytes")
        name = hashlib.sha256(body).hexdigest()
        self._write(name, {WEIGHTS: weights, MANIFEST: body, SIGNATURE: self.sign(body)})
        return name

    def load(self, name: str) -> tuple[JSONDict, Arrays]:
        """Return manifest and arrays of an artefact whose every byte has been checked.

        Raises
        ------
        ArtifactRejected
            If the name, a size, the signature, a hash, a shape or a value is not as it was signed.
        """
        body = self._read(name, MANIFEST, MAX_MANIFEST_BYTES)
        signature = self._read(name, SIGNATURE, MAX_SIGNATURE_BYTES)
        self.check_signature(body, signature)
        if hashlib.sha256(body).hexdigest() != name:
            raise ArtifactRejected(f"artefact {name[:12]}: the manifest is another artefact's")
        # The bytes that are hashed are the bytes that are parsed: the file is read once.
        return _checked(name, body, self._read(name, WEIGHTS, MAX_WEIGHTS_BYTES))

    def check(self, weights: bytes, body: bytes, signature: bytes) -> tuple[str, JSONDict, Arrays]:
        """Return name, manifest and arrays of an artefact that is not stored here; raises as `load`."""
        parts = ((WEIGHTS, weights, MAX_WEIGHTS_BYTES), (MANIFEST, body, MAX_MANIFEST_BYTES))
        for part, content, cap in (*parts, (SIGNATURE, signature, MAX_SIGNATURE_BYTES)):
            if len(content) > cap:
                raise ArtifactRejected(f"{part} is over {cap} bytes")
        self.check_signature(body, signature)
        name = hashlib.sha256(body).hexdigest()
        return name, *_checked(name, body, weights)

    def add(self, weights: bytes, body: bytes, signature: bytes) -> str:
        """Store an artefact that one of these keys has signed elsewhere; return its name, raises as `load`."""
        name, _, _ = self.check(weights, body, signature)
        self._write(name, {WEIGHTS: weights, MANIFEST: body, SIGNATURE: signature})
        return name

    def part(self, name: str, part: str) -> bytes:
        """Return the bytes of one of the three files, for an export; the artefact is checked first."""
        self.load(name)
        return self._read(name, part, MAX_WEIGHTS_BYTES)

    def key_id(self, name: str) -> str:
        """Return the id of the key that signed an artefact, as its signature says; `load` checks it."""
        text = self._read(name, SIGNATURE, MAX_SIGNATURE_BYTES).decode("ascii", "replace")
        return text.partition(":")[0]

    def verify(self, name: str) -> None:
        """Raise ArtifactRejected unless `load` would succeed."""
        self.load(name)

    def names(self) -> list[str]:
        """Return the names of all stored artefacts, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(entry.name for entry in self.folder.iterdir() if NAME.match(entry.name))

    def path(self, name: str) -> Path:
        """Return an artefact's folder; a name that is no sha256 raises, so no path can be smuggled in."""
        if not isinstance(name, str) or not NAME.match(name):
            raise ArtifactRejected("artefact name should be 64 hexadecimal digits")
        return self.folder / name

    def sign(self, body: bytes) -> bytes:
        """Return the current key's id and its signature of some bytes."""
        mac = hmac.new(self.keys[self.current_key_id], body, hashlib.sha256).hexdigest()
        return f"{self.current_key_id}:{mac}".encode("ascii")

    def check_signature(self, body: bytes, signature: bytes) -> None:
        """Raise SignatureMismatch unless one of the keys has signed these bytes."""
        try:
            key_id, mac = signature.decode("ascii").split(":")
        except ValueError as error:
            raise SignatureMismatch("the artefact's signature is malformed") from error
        key = self.keys.get(key_id)
        if key is None:
            raise SignatureMismatch("the artefact is signed with an unknown key")
        if not hmac.compare_digest(hmac.new(key, body, hashlib.sha256).hexdigest(), mac):
            raise SignatureMismatch("the artefact's signature does not match")

    def _read(self, name: str, part: str, cap: int) -> bytes:
        file = self.path(name) / part
        if self.remote is not None and not file.parent.exists():
            self._fetch(self.remote, name)
        try:
            with file.open("rb") as stream:
                content = stream.read(cap + 1)
        except OSError as error:
            raise ArtifactRejected(f"artefact {name[:12]}: {part} cannot be read") from error
        if len(content) > cap:
            raise ArtifactRejected(f"artefact {name[:12]}: {part} is over {cap} bytes")
        return content

    def _fetch(self, remote: Remote, name: str) -> None:
        """Bring an artefact here if it is what its name and its signature say."""
        parts = {part: remote.get(f"{name}/{part}") for part in PARTS}
        known = {part: content for part, content in parts.items() if content is not None}
        if len(known) < len(PARTS):
            return  # whoever reads says that it is missing
        found, _, _ = self.check(known[WEIGHTS], known[MANIFEST], known[SIGNATURE])
        if found != name:
            raise ArtifactRejected(f"artefact {name[:12]}: the stored manifest is another artefact's")
        self._write_here(name, known)

    def _write(self, name: str, parts: Mapping[str, bytes]) -> None:
        self._write_here(name, parts)
        # The signature goes last: where it is, the others are.
        if self.remote is not None and not self.remote.has(f"{name}/{SIGNATURE}"):
            for part in PARTS:
                self.remote.put(f"{name}/{part}", parts[part])

    def _write_here(self, name: str, parts: Mapping[str, bytes]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.path(name)
        with contextlib.suppress(ArtifactRejected, FileNotFoundError):
            replace(self, remote=None).load(name)
            os.utime(target)  # young again: the sweeper leaves it to whoever is about to name it
            return
        temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=self.folder))
        try:
            for part, content in parts.items():
                _write_durably(temporary / part, content)
            _fsync_folder(temporary)
            if target.exists():  # a damaged or half-written namesake: move it away whole
                os.replace(target, Path(tempfile.mkdtemp(prefix=".tmp-", dir=self.folder)) / "damaged")  # noqa: PTH105
            os.replace(temporary, target)  # noqa: PTH105
            _fsync_folder(self.folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _checked(name: str, body: bytes, weights: bytes) -> tuple[JSONDict, Arrays]:
    """Return manifest and arrays, given that the manifest's signature has been checked."""
    manifest = _parse_manifest(body)
    if not hmac.compare_digest(hashlib.sha256(weights).hexdigest(), str(manifest["weights_sha256"])):
        raise WeightsAltered(f"artefact {name[:12]}: the weights do not match the signed hash")
    try:
        arrays = parse_safetensors(weights)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise ArtifactRejected(f"artefact {name[:12]}: the weights cannot be read: {error}") from error
    if {key: _shape_of(array) for key, array in arrays.items()} != manifest["arrays"]:
        raise ArtifactRejected(f"artefact {name[:12]}: shapes differ from the manifest's")
    fault = _fault_of(arrays)
    if fault:
        raise ArtifactRejected(f"artefact {name[:12]}: {fault}")
    return manifest, arrays


def _shape_of(array: NDArray[Any]) -> list[Any]:
    return [str(array.dtype), *(int(size) for size in array.shape)]


def _fault_of(arrays: Mapping[str, NDArray[Any]]) -> str | None:
    if not arrays:
        return "there are no arrays"
    for name, array in arrays.items():
        if array.dtype.kind not in "fi":
            return f"array {name} should be float or int, is {array.dtype}"
        if not np.isfinite(array).all():
            return f"array {name} holds values that are not finite"
    return None


def _parse_manifest(body: bytes) -> JSONDict:
    try:
        manifest = json.loads(body)
    except ValueError as error:
        raise ArtifactRejected("the artefact's manifest is not JSON") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not manifest.keys() >= RESERVED:
        raise ArtifactRejected(f"the artefact's manifest is not of format {FORMAT}")
    return manifest


def _write_durably(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
