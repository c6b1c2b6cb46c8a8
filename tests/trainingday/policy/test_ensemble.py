"""Ensembles trade the mean position."""

import numpy as np
import pytest

from tests.markets import gaussian_bars
from tests.trainingday.policy.networks import random_network
from trainingday.exceptions import InvalidArgument
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.policy.observation import compute_features


def test_the_position_is_the_members_mean() -> None:
    bars = gaussian_bars(400, 1)
    members = tuple(random_network(kind, seed) for seed, kind in enumerate(("policy", "q", "table")))
    features = compute_features(bars)
    expected = sum(member.positions(features) for member in members) / 3
    actual = PolicyEnsemble(members).positions_on(bars)
    np.testing.assert_allclose(actual, expected, atol=1e-15)
    assert len(set(np.round(actual, 6))) > 3  # fractions, not only -1, 0, 1


def test_one_member_trades_its_own_position() -> None:
    bars = gaussian_bars(300, 2)
    network = random_network("policy", 3)
    np.testing.assert_array_equal(
        PolicyEnsemble((network,)).positions_on(bars), network.positions(compute_features(bars))
    )


def test_no_members_or_missing_features_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="members should number"):
        PolicyEnsemble(())
    with pytest.raises(InvalidArgument, match="features should hold"):
        PolicyEnsemble((random_network("q", 0),)).positions({})
