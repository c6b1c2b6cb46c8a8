"""A policy network as an artefact, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from trainingday.exceptions import ArtifactRejected, InvalidArgument
from trainingday.policy.network import PolicyNetwork
from trainingday.policy.observation import FEATURE_VERSION
from trainingday.typing import JSONDict

POLICY_KEYS = frozenset({"kind", "activation", "observation", "feature_version", "net_arch"})


class Store(Protocol):
    """What this module needs of `trainingday.artifacts.ArtifactStore`."""

    def save(self, arrays: Mapping[str, NDArray[Any]], manifest: JSONDict) -> str: ...

    def load(self, name: str) -> tuple[JSONDict, dict[str, NDArray[Any]]]: ...


def save_policy(store: Store, network: PolicyNetwork, manifest_extra: JSONDict) -> str:
    """Store a policy network; return the artefact's name."""
    clash = POLICY_KEYS & manifest_extra.keys()
    if clash:
        raise InvalidArgument(f"manifest_extra should not set {sorted(clash)}")
    manifest = {
        **manifest_extra,
        "kind": network.kind.value,
        "activation": network.activation.value,
        "observation": network.observation,
        "feature_version": FEATURE_VERSION,
        "net_arch": list(network.net_arch),
    }
    return store.save(network.arrays(), manifest)


def load_policy(store: Store, name: str) -> tuple[JSONDict, PolicyNetwork]:
    """Return manifest and policy of an artefact.

    Raises
    ------
    ArtifactRejected
        If `ArtifactStore.load` does, or the artefact is no policy that this version's features can feed.
    """
    manifest, arrays = store.load(name)
    if manifest.get("feature_version") != FEATURE_VERSION:
        raise ArtifactRejected(
            f"artefact {name[:12]}: features version {manifest.get('feature_version')}, need {FEATURE_VERSION}"
        )
    try:
        network = PolicyNetwork.from_arrays(
            manifest["kind"], manifest["activation"], arrays, manifest["observation"]
        )
    except (KeyError, ValueError) as error:
        raise ArtifactRejected(f"artefact {name[:12]}: no policy: {error}") from error
    if list(network.net_arch) != manifest.get("net_arch"):
        raise ArtifactRejected(f"artefact {name[:12]}: net_arch differs from the manifest's")
    return manifest, network
