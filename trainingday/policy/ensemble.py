"""Several policies that trade their mean position."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.policy.network import PolicyNetwork
from trainingday.policy.observation import compute_features
from trainingday.typing import Float32Array, FloatArray

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

    def positions(self, features: Mapping[str, Float32Array], start: float = 0.0) -> FloatArray:
        """Return the members' mean position at each bar's close, (n_bars,), a fraction in [-1, 1].

        Parameters
        ----------
        features : mapping of observation name to ndarray of shape (n_bars, n_features)
            One for each observation that a member reads.
        start : float
            The position each member holds before the first bar, in {-1, 0, 1}.
        """
        missing = {member.observation for member in self.members} - features.keys()
        if missing:
            raise InvalidArgument(f"features should hold {sorted(missing)}, do not")
        paths = [member.positions(features[member.observation], start) for member in self.members]
        mean: FloatArray = np.mean(paths, axis=0)
        return mean

    def weights_hash(self) -> str:
        """Return the sha256 over the members' weights, in order."""
        return hashlib.sha256("".join(net.weights_hash() for net in self.members).encode()).hexdigest()

    def positions_on(self, bars: Bars, start: float = 0.0) -> FloatArray:
        """Return the mean position at each bar's close, computing the features."""
        names = {member.observation for member in self.members}
        return self.positions({name: compute_features(bars, name) for name in names}, start)
