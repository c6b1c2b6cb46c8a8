"""Several policies that trade their mean position."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.policy.network import PolicyNetwork
from trainingday.policy.observation import compute_features
from trainingday.typing import FloatArray, PathArray

MAX_MEMBERS = 64


@dataclass(frozen=True, eq=False)
class PolicyEnsemble:
    """Networks, usually of several seeds; one network is an ensemble of one.

    Attributes
    ----------
    members : tuple of PolicyNetwork, 1 to 64
    """

    members: tuple[PolicyNetwork, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.members) <= MAX_MEMBERS:
            raise InvalidArgument(f"members should number 1..{MAX_MEMBERS}, number {len(self.members)}")

    def paths_on(self, bars: Bars, known: PathArray | None = None) -> PathArray:
        """Return what each member holds after each bar's close, (n_members, n_bars), int8 in {-1, 0, 1}.

        Parameters
        ----------
        bars : Bars
        known : ndarray of shape (n_members, n_known), int8, optional
            What this returned for bars that begin with the same n_known features (`observation.n_alike`):
            only what comes after is computed, and the result is the same to the bit.

        Raises
        ------
        InvalidArgument
            If `known` has another number of members, or more bars than there are.
        """
        if known is None:
            known = np.empty((len(self.members), 0), dtype=np.int8)
        n_known = known.shape[1]
        if known.shape[0] != len(self.members) or n_known > len(bars):
            raise InvalidArgument(
                f"known should have shape ({len(self.members)}, at most {len(bars)}), has {known.shape}"
            )
        names = {member.observation for member in self.members}
        features = {name: compute_features(bars, name, n_known) for name in names}
        paths = np.empty((len(self.members), len(bars)), dtype=np.int8)
        paths[:, :n_known] = known
        for path, member in zip(paths, self.members, strict=True):
            start = float(path[n_known - 1]) if n_known else 0.0
            path[n_known:] = member.positions(features[member.observation], start)
        return paths

    def positions_on(self, bars: Bars) -> FloatArray:
        """Return the members' mean position at each bar's close, (n_bars,), a fraction in [-1, 1]."""
        return mean_position(self.paths_on(bars))

    def weights_hash(self) -> str:
        """Return the sha256 over the members' weights, in order."""
        return hashlib.sha256("".join(net.weights_hash() for net in self.members).encode()).hexdigest()


def mean_position(paths: PathArray) -> FloatArray:
    """Return the mean over members of `PolicyEnsemble.paths_on`, shape (n_bars,)."""
    mean: FloatArray = paths.mean(axis=0, dtype=np.float64)
    return mean
