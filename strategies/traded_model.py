"""A model as it is examined and deployed: its policy, and the overlays that its manifest was signed with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from trainingday.artifacts import ArtifactStore
from trainingday.backtest.overlay_records import Known, apply_overlays, from_records, to_record
from trainingday.bars import Bars
from trainingday.exceptions import ArtifactRejected, InvalidArgument
from trainingday.policy.ensemble import PolicyEnsemble, mean_position
from trainingday.policy.storage import policy_of, save_policy
from trainingday.typing import FloatArray, JSONDict, PathArray

OVERLAYS = "overlays"


@dataclass(frozen=True, eq=False)
class TradedModel:
    """Positions of a trained policy after its overlays.

    Attributes
    ----------
    policy : PolicyEnsemble
    overlays : tuple of overlays
        Applied in order; each sees the positions that the one before gave.
    manifest : dict
        What the artefact says of itself; {} before it is stored.
    """

    policy: PolicyEnsemble
    overlays: tuple[Known, ...] = ()
    manifest: JSONDict | None = None

    def positions_on(self, bars: Bars) -> FloatArray:
        """Return target positions in [-1, 1], shape (n_bars,), each decided from bars up to its own."""
        return self.positions_of_paths(bars, self.policy.paths_on(bars))

    def positions_of_paths(self, bars: Bars, paths: PathArray) -> FloatArray:
        """Return `positions_on` where the policy's paths on these bars, (n_members, n_bars), are known."""
        return apply_overlays(self.overlays, bars, mean_position(paths))


def save_model(
    store: ArtifactStore, policy: PolicyEnsemble, overlays: Sequence[Known], manifest: JSONDict
) -> str:
    """Store a policy with its overlays; return the artefact's name."""
    return save_policy(store, policy, {**manifest, OVERLAYS: [to_record(overlay) for overlay in overlays]})


def load_model(store: ArtifactStore, name: str) -> TradedModel:
    """Return the model of an artefact.

    Raises
    ------
    ArtifactRejected
        As `ArtifactStore.load`, or if it is no policy that this version can feed, or an overlay of the manifest cannot be read.
    """
    return model_of(name, *store.load(name))


def model_of(name: str, manifest: JSONDict, arrays: Mapping[str, NDArray[Any]]) -> TradedModel:
    """Return the model that an artefact's checked manifest and arrays make; raises as `load_model`."""
    policy = policy_of(name, manifest, arrays)
    try:
        overlays = from_records(manifest.get(OVERLAYS, []))
    except InvalidArgument as error:
        raise ArtifactRejected(f"artefact {name[:12]}: {error}") from error
    return TradedModel(policy, overlays, manifest)
