"""A trained policy as an artefact, and back: one network, or an ensemble of several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from trainingday.exceptions import ArtifactRejected, InvalidArgument
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.policy.network import PolicyNetwork
from trainingday.policy.observation import FEATURE_VERSION, observation_columns
from trainingday.typing import JSONDict

POLICY_KEYS = frozenset({"members", "feature_version"})


class Store(Protocol):
    """What this module needs of `trainingday.artifacts.ArtifactStore`."""

    def save(self, arrays: Mapping[str, NDArray[Any]], manifest: JSONDict) -> str: ...

    def load(self, name: str) -> tuple[JSONDict, dict[str, NDArray[Any]]]: ...


def save_policy(store: Store, policy: PolicyEnsemble | PolicyNetwork, manifest_extra: JSONDict) -> str:
    """Store a policy; return the artefact's name. One network is an ensemble of one."""
    clash = POLICY_KEYS & manifest_extra.keys()
    if clash:
        raise InvalidArgument(f"manifest_extra should not set {sorted(clash)}")
    members = policy.members if isinstance(policy, PolicyEnsemble) else (policy,)
    arrays = {
        f"member_{index}_{name}": array
        for index, member in enumerate(members)
        for name, array in member.arrays().items()
    }
    manifest = {
        **manifest_extra,
        "feature_version": FEATURE_VERSION,
        "members": [
            {
                "kind": member.kind.value,
                "activation": member.activation.value,
                "observation": member.observation,
                "net_arch": list(member.net_arch),
            }
            for member in members
        ],
    }
    return store.save(arrays, manifest)


def load_policy(store: Store, name: str) -> tuple[JSONDict, PolicyEnsemble]:
    """Return manifest and policy of an artefact.

    Raises
    ------
    ArtifactRejected
        If `ArtifactStore.load` does, or the artefact is no policy that this version's features can feed.
    """
    manifest, arrays = store.load(name)
    return manifest, policy_of(name, manifest, arrays)


def policy_of(name: str, manifest: JSONDict, arrays: Mapping[str, NDArray[Any]]) -> PolicyEnsemble:
    """Return the policy that an artefact's checked manifest and arrays make; raises as `load_policy`."""
    if manifest.get("feature_version") != FEATURE_VERSION:
        raise ArtifactRejected(
            f"artefact {name[:12]}: features version {manifest.get('feature_version')}, need {FEATURE_VERSION}"
        )
    try:
        members = [_member(index, part, arrays) for index, part in enumerate(manifest["members"])]
        policy = PolicyEnsemble(tuple(members))
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactRejected(f"artefact {name[:12]}: no policy: {error}") from error
    if sum(len(member.arrays()) for member in members) != len(arrays):
        raise ArtifactRejected(f"artefact {name[:12]}: holds arrays of no member")
    return policy


def _member(index: int, part: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> PolicyNetwork:
    prefix = f"member_{index}_"
    own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    network = PolicyNetwork.from_arrays(part["kind"], part["activation"], own, part["observation"])
    if list(network.net_arch) != part["net_arch"]:
        raise ValueError(f"net_arch of member {index} should be {part['net_arch']}, is {network.net_arch}")
    n_features = len(observation_columns(network.observation))
    if network.n_features != n_features:
        raise ValueError(f"member {index} should read {n_features} features, reads {network.n_features}")
    return network
