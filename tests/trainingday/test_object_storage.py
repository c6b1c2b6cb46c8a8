"""Datasets and artefacts in object storage: the folder is a cache, and what arrives is checked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strategies.store import artifact_store
from tests.markets import gaussian_bars
from trainingday.artifacts import PARTS, WEIGHTS
from trainingday.exceptions import ArtifactRejected, InvalidArgument, StorageUnavailable
from trainingday.markets.storage import file_name, fingerprint, local_bars, store_bars
from trainingday.object_storage import _storage, remote_files

BUCKET = "bars-and-models"


@pytest.fixture
def home(tmp_path: Path, settings: Any) -> Path:
    """Return an empty home of this machine."""
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"
    settings.TRAININGDAY_ARTIFACTS = tmp_path / "artifacts"
    return tmp_path


def keys(client: Any) -> set[str]:
    return {entry["Key"] for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def test_bars_come_from_storage_where_the_folder_has_none(object_storage: Any, home: Path) -> None:
    bars = gaussian_bars(500, seed=1)
    sha256, name = store_bars(bars)
    assert keys(object_storage) == {f"home/datasets/{name}"}
    shutil.rmtree(home / "datasets")
    assert fingerprint(local_bars(sha256)) == sha256
    object_storage.delete_object(Bucket=BUCKET, Key=f"home/datasets/{name}")
    assert len(local_bars(sha256)) == 500  # the folder is the cache


def test_other_bars_under_the_name_are_refused_and_not_kept(object_storage: Any, home: Path) -> None:
    sha256, name = store_bars(gaussian_bars(500, seed=1))
    other, other_name = store_bars(gaussian_bars(500, seed=2))
    forged = (home / "datasets" / other_name).read_bytes()
    object_storage.put_object(Bucket=BUCKET, Key=f"home/datasets/{name}", Body=forged)
    shutil.rmtree(home / "datasets")
    with pytest.raises(ArtifactRejected, match=f"should have fingerprint {sha256}, has {other}"):
        local_bars(sha256)
    assert not [entry for entry in (home / "datasets").rglob("*") if entry.is_file()]


def test_bars_that_are_nowhere_are_named(object_storage: Any, home: Path) -> None:
    with pytest.raises(ArtifactRejected, match="cannot be read"):
        local_bars("0" * 64)


def test_an_artefact_comes_from_storage_and_a_forged_one_does_not(object_storage: Any, home: Path) -> None:
    store = artifact_store()
    name = store.save({"weight": np.arange(6.0)}, {"algorithm": "test"})
    assert keys(object_storage) == {f"home/artifacts/{name}/{part}" for part in PARTS}
    shutil.rmtree(home / "artifacts")
    manifest, arrays = store.load(name)
    assert manifest["algorithm"] == "test"
    np.testing.assert_array_equal(arrays["weight"], np.arange(6.0))

    other = store.save({"weight": np.arange(7.0)}, {"algorithm": "test"})
    for part in PARTS:
        content = object_storage.get_object(Bucket=BUCKET, Key=f"home/artifacts/{other}/{part}")[
            "Body"
        ].read()
        object_storage.put_object(Bucket=BUCKET, Key=f"home/artifacts/{name}/{part}", Body=content)
    shutil.rmtree(home / "artifacts")
    with pytest.raises(ArtifactRejected, match="another artefact's"):
        store.load(name)
    object_storage.put_object(Bucket=BUCKET, Key=f"home/artifacts/{other}/{WEIGHTS}", Body=b"x")
    with pytest.raises(ArtifactRejected, match="do not match the signed hash"):
        store.load(other)
    assert not (home / "artifacts" / name).exists() and not (home / "artifacts" / other).exists()


def test_what_an_earlier_attempt_did_not_send_is_sent(object_storage: Any, home: Path, settings: Any) -> None:
    settings.TRAININGDAY_STORAGE = ""
    sha256, name = store_bars(gaussian_bars(300, seed=3))
    artifact = artifact_store().save({"weight": np.ones(3)}, {})
    assert keys(object_storage) == set()
    settings.TRAININGDAY_STORAGE = f"s3://{BUCKET}/home"
    assert store_bars(gaussian_bars(300, seed=3)) == (sha256, name)
    artifact_store().save({"weight": np.ones(3)}, {})
    wanted = {f"home/datasets/{name}"} | {f"home/artifacts/{artifact}/{part}" for part in PARTS}
    assert keys(object_storage) == wanted


def test_storage_that_is_away_is_one_retryable_error(object_storage: Any, home: Path, settings: Any) -> None:
    settings.TRAININGDAY_STORAGE = "s3://no-such-bucket"
    with pytest.raises(StorageUnavailable, match="did not give or take datasets/") as caught:
        store_bars(gaussian_bars(300, seed=4))
    assert caught.value.retryable


@pytest.mark.parametrize("address", ["bucket", "s3://", "https://bucket/prefix"])
def test_an_address_that_names_no_bucket_is_refused(address: str, settings: Any) -> None:
    settings.TRAININGDAY_STORAGE = address
    _storage.cache_clear()
    with pytest.raises(InvalidArgument, match="should be like s3://bucket/prefix"):
        remote_files("datasets")


def test_a_dataset_has_one_place_below_its_folder() -> None:
    assert file_name("ab" + "0" * 62) == f"ab/ab{'0' * 62}.parquet"
