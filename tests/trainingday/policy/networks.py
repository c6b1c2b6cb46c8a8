"""Random networks for tests."""

from itertools import pairwise

import numpy as np

from trainingday.policy.network import Activation, PolicyKind, PolicyNetwork
from trainingday.policy.observation import N_FEATURES


def random_network(
    kind: str,
    seed: int,
    *,
    activation: str = "tanh",
    net_arch: tuple[int, ...] = (32, 32),
    n: int = N_FEATURES,
) -> PolicyNetwork:
    """Return a network whose actions vary."""
    rng = np.random.default_rng(seed)
    is_table = kind == "table"
    widths = (n if is_table else n + 3, *net_arch, 9 if is_table else 3)
    weights, biases = [], []
    for n_in, n_out in pairwise(widths):
        weights.append((rng.standard_normal((n_in, n_out)) * 1.5 / np.sqrt(n_in)).astype(np.float32))
        biases.append((0.3 * rng.standard_normal(n_out)).astype(np.float32))
    return PolicyNetwork(PolicyKind(kind), Activation(activation), tuple(weights), tuple(biases))
