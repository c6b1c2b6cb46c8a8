"""A stored policy decides as the one that was stored."""

from pathlib import Path

import numpy as np
import pytest

from tests.trainingday.policy.networks import random_network
from trainingday.artifacts import ArtifactStore
from trainingday.exceptions import ArtifactRejected, InvalidArgument
from trainingday.policy import storage
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.policy.observation import N_FEATURES


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path, {"test": b"k" * 32}, "test")


@pytest.mark.parametrize("kind", ["policy", "q", "table"])
def test_ten_thousand_of_ten_thousand_actions_are_equal(kind: str, store: ArtifactStore) -> None:
    network = random_network(kind, 1)
    features = np.random.default_rng(2).standard_normal((10_000, N_FEATURES)).astype(np.float32)
    manifest, restored = storage.load_policy(store, storage.save_policy(store, network, {"algorithm": "x"}))
    assert manifest["algorithm"] == "x"
    assert restored.members[0].weights_hash() == network.weights_hash()
    np.testing.assert_array_equal(restored.members[0].action_table(features), network.action_table(features))


def test_an_ensemble_keeps_its_members_in_order(store: ArtifactStore) -> None:
    members = tuple(random_network(kind, seed) for seed, kind in enumerate(("table", "q", "policy", "q")))
    name = storage.save_policy(store, PolicyEnsemble(members), {})
    _, restored = storage.load_policy(store, name)
    assert [m.weights_hash() for m in restored.members] == [m.weights_hash() for m in members]


def test_another_feature_version_is_refused(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name = storage.save_policy(store, random_network("policy", 1), {})
    monkeypatch.setattr(storage, "FEATURE_VERSION", 999)
    with pytest.raises(ArtifactRejected, match="features version 1, need 999"):
        storage.load_policy(store, name)


@pytest.mark.parametrize(
    "part",
    [
        {"kind": "subprocess.Popen"},
        {"activation": "exec"},
        {"net_arch": [32]},
        {"kind": "table"},
        {"observation": 7},
        {"net_arch": None},
    ],
)
def test_a_signed_manifest_that_describes_another_network_is_refused(
    part: dict[str, object], store: ArtifactStore
) -> None:
    network = random_network("policy", 1)
    member = {"kind": "policy", "activation": "tanh", "observation": "standard", "net_arch": [32, 32], **part}
    arrays = {f"member_0_{name}": array for name, array in network.arrays().items()}
    name = store.save(arrays, {"feature_version": 1, "members": [member]})
    with pytest.raises(ArtifactRejected):
        storage.load_policy(store, name)


def test_arrays_of_no_member_and_no_members_are_refused(store: ArtifactStore) -> None:
    network = random_network("policy", 1)
    arrays = {f"member_0_{name}": array for name, array in network.arrays().items()}
    member = {"kind": "policy", "activation": "tanh", "observation": "standard", "net_arch": [32, 32]}
    extra = store.save(
        {**arrays, "stray": np.zeros(3, np.float32)}, {"feature_version": 1, "members": [member]}
    )
    empty = store.save(arrays, {"feature_version": 1, "members": []})
    for name in (extra, empty):
        with pytest.raises(ArtifactRejected):
            storage.load_policy(store, name)


def test_the_manifests_own_keys_cannot_be_set(store: ArtifactStore) -> None:
    with pytest.raises(InvalidArgument, match="feature_version"):
        storage.save_policy(store, random_network("policy", 1), {"feature_version": 2})
