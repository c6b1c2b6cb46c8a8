"""The plain-array policy: its arithmetic, its table and its walk."""

from dataclasses import replace

import numpy as np
import pytest

from tests.lookahead import find_lookahead
from tests.markets import gaussian_bars
from tests.trainingday.policy.networks import random_network
from trainingday.exceptions import InvalidArgument
from trainingday.policy.network import PolicyNetwork, tanh_nb, walk_nb
from trainingday.policy.observation import N_FEATURES, compute_features

KINDS = ("policy", "q", "table")
ARCHS = ((16,), (32, 32), (64, 64), (5, 7, 3))


def _by_numpy(network: PolicyNetwork, features: np.ndarray) -> np.ndarray:
    """Return outputs in float64, one held position at a time."""
    outputs = []
    for held in range(3):
        one_hot = np.tile(np.eye(3)[held], (len(features), 1))
        x = features.astype(np.float64)
        if network.kind != "table":
            x = np.hstack((x, one_hot))
        for index, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            x = x @ weight.astype(np.float64) + bias
            if index < len(network.weights) - 1:
                x = np.tanh(x) if network.activation == "tanh" else np.maximum(x, 0)
        outputs.append(x.reshape(-1, 3, 3)[:, held] if network.kind == "table" else x)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("net_arch", ARCHS)
def test_outputs_equal_the_textbook_forward_pass(
    kind: str, activation: str, net_arch: tuple[int, ...]
) -> None:
    network = random_network(kind, 1, activation=activation, net_arch=net_arch)
    features = np.random.default_rng(2).standard_normal((333, N_FEATURES)).astype(np.float32)
    np.testing.assert_allclose(network.outputs(features), _by_numpy(network, features), atol=2e-5)


def test_a_single_layer_is_a_linear_map() -> None:
    network = random_network("policy", 3, net_arch=())
    features = np.random.default_rng(4).standard_normal((70, N_FEATURES)).astype(np.float32)
    np.testing.assert_allclose(network.outputs(features), _by_numpy(network, features), atol=2e-5)


def test_tanh_is_within_six_units_in_the_last_place() -> None:
    values = np.linspace(-12, 12, 200_001).astype(np.float32)
    ours = values.copy()
    tanh_nb(ours, ours.size)
    exact = np.tanh(values.astype(np.float64))
    ulps = np.abs(ours - exact) / np.spacing(np.abs(exact).astype(np.float32))
    assert ulps.max() <= 6
    assert np.abs(ours - exact).max() < 4e-7


@pytest.mark.parametrize("kind", KINDS)
def test_a_bars_outputs_do_not_depend_on_the_other_bars(kind: str) -> None:
    network = random_network(kind, 5)
    features = np.random.default_rng(6).standard_normal((1000, N_FEATURES)).astype(np.float32)
    whole = network.outputs(features)
    for start, stop in ((0, 1), (0, 63), (1, 65), (37, 512), (999, 1000)):
        np.testing.assert_array_equal(network.outputs(features[start:stop]), whole[start:stop])


@pytest.mark.parametrize("kind", KINDS)
def test_actions_see_no_later_bar(kind: str) -> None:
    network = random_network(kind, 7)
    bars, rng = gaussian_bars(500, 8), np.random.default_rng(9)
    assert len(set(network.positions(compute_features(bars)))) == 3
    assert find_lookahead(lambda b: network.positions(compute_features(b)), bars, 100, rng) == []


def test_the_table_is_the_first_largest_output() -> None:
    network = random_network("policy", 10)
    features = np.random.default_rng(11).standard_normal((500, N_FEATURES)).astype(np.float32)
    table = network.action_table(features)
    assert table.dtype == np.int8
    np.testing.assert_array_equal(table, network.outputs(features).argmax(axis=2))


def test_positions_follow_the_table_from_the_start() -> None:
    table = np.array([[2, 0, 1], [0, 1, 2], [1, 1, 0], [2, 2, 0]], dtype=np.int8)
    # From flat: row 0 says short, row 1 keeps it, row 2 says flat, row 3 says long.
    np.testing.assert_array_equal(walk_nb(table, 1), [-1.0, -1.0, 0.0, 1.0])
    # From long: row 0 says flat, row 1 keeps it, row 2 keeps it, row 3 says long.
    np.testing.assert_array_equal(walk_nb(table, 2), [0.0, 0.0, 0.0, 1.0])


def test_arrays_round_trip() -> None:
    network = random_network("q", 12)
    again = PolicyNetwork.from_arrays("q", "tanh", network.arrays())
    assert again.weights_hash() == network.weights_hash()
    assert again.net_arch == (32, 32)
    assert again.n_features == N_FEATURES


def test_the_hash_changes_with_one_bit_and_with_the_kind() -> None:
    network = random_network("policy", 13)
    weights = [weight.copy() for weight in network.weights]
    weights[1][3, 4] = np.nextafter(weights[1][3, 4], np.float32(9))
    hashes = {
        network.weights_hash(),
        replace(network, weights=tuple(weights)).weights_hash(),
        PolicyNetwork.from_arrays("q", "tanh", network.arrays()).weights_hash(),
        PolicyNetwork.from_arrays("policy", "relu", network.arrays()).weights_hash(),
    }
    assert len(hashes) == 4


def test_no_bars_give_no_positions() -> None:
    network = random_network("policy", 14)
    assert network.positions(np.empty((0, N_FEATURES), dtype=np.float32)).shape == (0,)


@pytest.mark.parametrize("name", ["weight_1", "bias_0", "weight_2", "bias_2"])
def test_a_missing_or_misshaped_array_is_refused(name: str) -> None:
    arrays = random_network("policy", 15).arrays()
    with pytest.raises(InvalidArgument):
        PolicyNetwork.from_arrays("policy", "tanh", {**arrays, name: arrays[name][:-1]})
    del arrays[name]
    with pytest.raises(InvalidArgument):
        PolicyNetwork.from_arrays("policy", "tanh", arrays)


def test_a_wrong_kind_width_start_or_type_is_refused() -> None:
    network = random_network("policy", 16)
    features = np.zeros((5, N_FEATURES), dtype=np.float32)
    with pytest.raises(ValueError, match=r"os\.system"):
        PolicyNetwork.from_arrays("os.system", "tanh", network.arrays())
    with pytest.raises(InvalidArgument, match="the last layer should give 9"):
        PolicyNetwork.from_arrays("table", "tanh", network.arrays())
    with pytest.raises(InvalidArgument, match="features should have shape"):
        network.positions(features[:, :-1])
    with pytest.raises(InvalidArgument, match="start should be one of"):
        network.positions(features, start=0.5)
    with pytest.raises(InvalidArgument, match="should be float32"):
        PolicyNetwork.from_arrays(
            "policy", "tanh", {key: array.astype(np.float64) for key, array in network.arrays().items()}
        )
