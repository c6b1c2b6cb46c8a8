"""Ensembles trade the mean position."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lookahead import alter_future
from tests.markets import gaussian_bars
from tests.trainingday.policy.networks import random_network
from trainingday.exceptions import InvalidArgument
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.policy.observation import compute_features, n_alike


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


def test_no_members_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="members should number"):
        PolicyEnsemble(())


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.integers(2, 700),
    share=st.floats(0.0, 1.0),
    kinds=st.lists(st.sampled_from(["policy", "q", "table"]), min_size=1, max_size=4),
)
def test_a_walk_that_goes_on_is_the_whole_walk_to_the_bit(
    seed: int, n_bars: int, share: float, kinds: list[str]
) -> None:
    """However long the known part is, and whatever the bars after it were when it was walked."""
    bars = gaussian_bars(n_bars, seed)
    n_known = max(1, int(share * n_bars))
    before = bars[:n_known] if seed % 2 else alter_future(bars, n_known, np.random.default_rng(seed))
    policy = PolicyEnsemble(tuple(random_network(kind, seed + place) for place, kind in enumerate(kinds)))
    known = policy.paths_on(before)[:, : n_alike(before, bars)]
    assert known.shape[1] >= n_known
    np.testing.assert_array_equal(policy.paths_on(bars, known), policy.paths_on(bars))


def test_a_known_part_of_other_members_or_of_more_bars_is_refused() -> None:
    bars = gaussian_bars(50, 4)
    policy = PolicyEnsemble((random_network("policy", 5),))
    for shape in ((2, 10), (1, 51)):
        with pytest.raises(InvalidArgument, match="known should have shape"):
            policy.paths_on(bars, np.zeros(shape, dtype=np.int8))
