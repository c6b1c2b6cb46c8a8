"""Artefacts: what was signed is what is loaded; anything else is refused and runs nothing."""

import hashlib
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from trainingday import artifacts
from trainingday.artifacts import MANIFEST, SIGNATURE, WEIGHTS, ArtifactStore, canonical_json
from trainingday.exceptions import ArtifactRejected, InvalidArgument

KEY, OTHER_KEY = b"a" * 32, b"b" * 32
N_TAMPERINGS_PER_FILE = 170


def _arrays(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "weight_0": rng.standard_normal((16, 8)).astype(np.float32),
        "bias_0": rng.standard_normal(8).astype(np.float32),
    }


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artefacts", {"k1": KEY}, "k1")


def _sign_again(store: ArtifactStore, name: str, body: bytes, weights: bytes | None = None) -> str:
    """Return the name of a forged artefact whose signature is right: what a leaked key could make."""
    forged = hashlib.sha256(body).hexdigest()
    shutil.copytree(store.path(name), store.path(forged), dirs_exist_ok=True)
    (store.path(forged) / MANIFEST).write_bytes(body)
    (store.path(forged) / SIGNATURE).write_bytes(store.sign(body))
    if weights is not None:
        (store.path(forged) / WEIGHTS).write_bytes(weights)
    return forged


def _manifest(store: ArtifactStore, name: str) -> dict[str, object]:
    return json.loads((store.path(name) / MANIFEST).read_bytes())


def test_arrays_and_manifest_come_back(store: ArtifactStore) -> None:
    name = store.save(_arrays(), {"algorithm": "ppo", "seed": 7})
    manifest, arrays = store.load(name)
    assert manifest["algorithm"] == "ppo"
    assert manifest["seed"] == 7
    assert arrays.keys() == _arrays().keys()
    for key, array in _arrays().items():
        np.testing.assert_array_equal(arrays[key], array)
        assert arrays[key].dtype == array.dtype


def test_the_name_is_the_content(store: ArtifactStore) -> None:
    name = store.save(_arrays(), {"a": 1, "b": 2})
    assert store.save(_arrays(), {"b": 2, "a": 1}) == name
    assert store.save(_arrays(), {"a": 1, "b": 3}) != name
    assert store.save(_arrays(1), {"a": 1, "b": 2}) != name
    assert len(store.names()) == 3
    assert name == hashlib.sha256((store.path(name) / MANIFEST).read_bytes()).hexdigest()


def test_at_least_500_tamperings_are_all_refused(store: ArtifactStore) -> None:
    name = store.save(_arrays(), {"algorithm": "ppo"})
    rng = np.random.default_rng(1)
    n_refused = 0
    for part in (WEIGHTS, MANIFEST, SIGNATURE):
        file = store.path(name) / part
        original = file.read_bytes()
        for _ in range(N_TAMPERINGS_PER_FILE):
            file.write_bytes(_tampered(original, rng))
            with pytest.raises(ArtifactRejected):
                store.load(name)
            n_refused += 1
        file.write_bytes(original)
        store.load(name)
    assert n_refused >= 500


def _tampered(original: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes with one bit, a run, the end, or the order changed; never the original."""
    while True:
        content = bytearray(original)
        place = int(rng.integers(len(content)))
        kind = int(rng.integers(5))
        if kind == 0:
            content[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            content[place : place + 8] = rng.bytes(8)
        elif kind == 2:
            del content[place:]
        elif kind == 3:
            content += rng.bytes(1 + place % 64)
        else:
            content[place:], content[:place] = content[:place], content[place:]
        if bytes(content) != original:
            return bytes(content)


class _Bomb:
    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.sentinel),)


@pytest.mark.parametrize("part", [WEIGHTS, MANIFEST, SIGNATURE])
@pytest.mark.parametrize("is_signed", [False, True])
def test_a_pickle_in_place_of_a_file_runs_nothing(
    part: str, is_signed: bool, store: ArtifactStore, tmp_path: Path
) -> None:
    sentinel = tmp_path / "ran"
    bomb = pickle.dumps(_Bomb(sentinel))
    name = store.save(_arrays(), {})
    if is_signed and part == WEIGHTS:
        manifest = {**_manifest(store, name), "weights_sha256": hashlib.sha256(bomb).hexdigest()}
        name = _sign_again(store, name, canonical_json(manifest), bomb)
    elif is_signed and part == MANIFEST:
        name = _sign_again(store, name, bomb)
    else:
        (store.path(name) / part).write_bytes(bomb)
    with pytest.raises(ArtifactRejected):
        store.load(name)
    assert not sentinel.exists()
    pickle.loads(bomb)
    assert sentinel.exists()  # the bomb is live: it was the store that did not light it


@pytest.mark.parametrize("part", [WEIGHTS, MANIFEST, SIGNATURE])
def test_a_part_of_another_artefact_is_refused(part: str, store: ArtifactStore) -> None:
    one, other = store.save(_arrays(1), {}), store.save(_arrays(2), {})
    shutil.copy(store.path(other) / part, store.path(one) / part)
    with pytest.raises(ArtifactRejected):
        store.load(one)


def test_a_whole_artefact_under_anothers_name_is_refused(store: ArtifactStore) -> None:
    one, other = store.save(_arrays(1), {}), store.save(_arrays(2), {})
    for part in (WEIGHTS, MANIFEST, SIGNATURE):
        shutil.copy(store.path(other) / part, store.path(one) / part)
    with pytest.raises(ArtifactRejected, match="another artefact's"):
        store.load(one)


@pytest.mark.parametrize("part", [WEIGHTS, MANIFEST, SIGNATURE])
def test_a_missing_part_is_refused(part: str, store: ArtifactStore) -> None:
    name = store.save(_arrays(), {})
    (store.path(name) / part).unlink()
    with pytest.raises(ArtifactRejected, match="cannot be read"):
        store.load(name)


def test_an_unknown_or_wrong_key_is_refused(store: ArtifactStore) -> None:
    name = store.save(_arrays(), {})
    for keys, current in (({"k2": KEY}, "k2"), ({"k1": OTHER_KEY}, "k1")):
        with pytest.raises(ArtifactRejected):
            ArtifactStore(store.folder, keys, current).load(name)


def test_an_old_key_still_loads_after_rotation(store: ArtifactStore) -> None:
    name = store.save(_arrays(), {})
    rotated = ArtifactStore(store.folder, {"k1": KEY, "k2": OTHER_KEY}, "k2")
    rotated.load(name)
    newer = rotated.save(_arrays(5), {})
    assert (rotated.path(newer) / SIGNATURE).read_bytes().startswith(b"k2:")


@pytest.mark.parametrize(
    "name",
    ["", "..", "../" + "a" * 61, "a" * 63, "A" * 64, "a" * 64 + "\n", "/etc/passwd", "a" * 63 + "/", 7, None],
)
def test_a_name_that_is_no_sha256_is_refused(name: str, store: ArtifactStore) -> None:
    with pytest.raises(ArtifactRejected, match="64 hexadecimal"):
        store.load(name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_at_both_ends(value: float, store: ArtifactStore) -> None:
    bad = {**_arrays(), "bias_0": np.full(8, value, dtype=np.float32)}
    with pytest.raises(InvalidArgument, match="not finite"):
        store.save(bad, {})
    name = store.save(_arrays(), {})
    weights = artifacts.dump_safetensors(bad)
    manifest = {**_manifest(store, name), "weights_sha256": hashlib.sha256(weights).hexdigest()}
    with pytest.raises(ArtifactRejected, match="not finite"):
        store.load(_sign_again(store, name, canonical_json(manifest), weights))


def test_signed_shapes_that_differ_from_the_arrays_are_refused(store: ArtifactStore) -> None:
    name = store.save(_arrays(), {})
    shapes = {"weight_0": ["float32", 8, 16], "bias_0": ["float32", 8]}
    with pytest.raises(ArtifactRejected, match="shapes differ"):
        store.load(_sign_again(store, name, canonical_json({**_manifest(store, name), "arrays": shapes})))


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b"{", b'{"format":"other"}'])
def test_a_signed_manifest_of_another_form_is_refused(body: bytes, store: ArtifactStore) -> None:
    name = store.save(_arrays(), {})
    with pytest.raises(ArtifactRejected):
        store.load(_sign_again(store, name, body))


def test_files_over_the_cap_are_refused_unread(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name = store.save(_arrays(), {})
    monkeypatch.setattr(artifacts, "MAX_WEIGHTS_BYTES", 100)
    with pytest.raises(ArtifactRejected, match="over 100 bytes"):
        store.load(name)
    with pytest.raises(InvalidArgument, match="size cap"):
        store.save(_arrays(1), {})


def test_a_kill_before_the_rename_leaves_no_artefact(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        store.save(_arrays(), {})
    assert store.names() == []
    assert list(store.folder.iterdir()) == []


def test_saving_again_repairs_a_damaged_artefact(store: ArtifactStore) -> None:
    name = store.save(_arrays(), {})
    (store.path(name) / WEIGHTS).write_bytes(b"damaged")
    assert store.save(_arrays(), {}) == name
    store.verify(name)


def test_bad_arrays_manifests_and_keys_are_refused(store: ArtifactStore) -> None:
    with pytest.raises(InvalidArgument, match="no arrays"):
        store.save({}, {})
    with pytest.raises(InvalidArgument, match="float or int"):
        store.save({"a": np.array(["x"])}, {})
    with pytest.raises(InvalidArgument, match="without NaN"):
        store.save(_arrays(), {"score": float("nan")})
    with pytest.raises(InvalidArgument, match="without NaN"):
        store.save(_arrays(), {"score": object()})
    with pytest.raises(InvalidArgument, match="weights_sha256"):
        store.save(_arrays(), {"weights_sha256": "0" * 64})
    with pytest.raises(InvalidArgument, match="16 bytes"):
        ArtifactStore(store.folder, {"k1": b"short"}, "k1")
    with pytest.raises(InvalidArgument, match="current_key_id"):
        ArtifactStore(store.folder, {"k1": KEY}, "k2")


def test_the_keys_are_not_shown(store: ArtifactStore) -> None:
    assert "aaaa" not in repr(store)
