"""What the first signal of a process needs, loaded before it is asked for: compiled rules and walks, and libraries."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import numpy as np

from strategies.library.registry import families
from strategies.traded_model import TradedModel
from trainingday.backtest.overlays import VolatilityTarget
from trainingday.backtest.warm import small_market
from trainingday.markets.storage import read_bars, write_bars
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.policy.network import Activation, PolicyKind, PolicyNetwork
from trainingday.policy.observation import N_FEATURES

N_BARS = 1000


def preload() -> None:
    """Ask every family and a network for positions on a made-up market that was stored and read.

    It takes about a second of CPU, and more where `manage.py warm` has not run.
    """
    with tempfile.TemporaryDirectory(prefix="preload-") as folder:
        _, name = write_bars(Path(folder), small_market(N_BARS))
        bars = read_bars(Path(folder, name))
    for family in families().values():
        family.positions(bars, {})
    TradedModel(PolicyEnsemble((_network(),)), (VolatilityTarget(),)).positions_on(bars)


def preload_beside() -> None:
    """Do it in a thread of its own, so that the process answers meanwhile."""
    threading.Thread(target=preload, name="preload", daemon=True).start()


def _network() -> PolicyNetwork:
    shapes = ((N_FEATURES + 3, 4), (4, 3))
    return PolicyNetwork(
        PolicyKind.POLICY,
        Activation.TANH,
        tuple(np.zeros(shape, dtype=np.float32) for shape in shapes),
        tuple(np.zeros(shape[1], dtype=np.float32) for shape in shapes),
    )
