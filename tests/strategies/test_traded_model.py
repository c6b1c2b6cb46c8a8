"""What is examined is what is deployed: the overlay travels in the signed manifest, and every reader applies it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from strategies.models import Champion
from strategies.positions import MODEL_FAMILY, get_or_create_strategy, positions_of
from strategies.signals import market_signal
from strategies.store import artifact_store, cached_model
from strategies.traded_model import load_model, save_model
from tests.conftest import make_market
from tests.markets import gaussian_bars
from trainingday.artifacts import MANIFEST
from trainingday.backtest.engine import Costs
from trainingday.backtest.overlay_records import Known, from_record, from_records, to_record
from trainingday.backtest.overlays import DrawdownStop, StopLoss, VolatilityTarget
from trainingday.exceptions import ArtifactRejected, InvalidArgument
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.policy.network import Activation, PolicyKind, PolicyNetwork
from trainingday.policy.observation import N_FEATURES
from trainingday.policy.storage import save_policy

OVERLAYS = (
    VolatilityTarget(0.5, 50, 8766.0, 0.1),
    DrawdownStop(0.02, 40, Costs(0.001, 0.0005)),
    StopLoss(0.03),
)


def make_policy(seed: int = 0) -> PolicyEnsemble:
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((N_FEATURES, 9)).astype(np.float32)
    bias = np.zeros(9, dtype=np.float32)
    return PolicyEnsemble((PolicyNetwork(PolicyKind.TABLE, Activation.TANH, (weights,), (bias,)),))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_survives_json(overlay: Known) -> None:
    assert from_record(json.loads(json.dumps(to_record(overlay)))) == overlay


RECORD = to_record(OVERLAYS[0])


@pytest.mark.parametrize(
    "record",
    [
        None, [], "volatility_target", {}, {"name": "leverage"}, {"name": ["x"]}, {"name": "stop_loss"},
        RECORD | {"extra": 1}, RECORD | {"annual_volatility": "0.5"}, RECORD | {"annual_volatility": True},
        RECORD | {"annual_volatility": -1}, RECORD | {"window": None}, RECORD | {"step": 0},
        to_record(OVERLAYS[1]) | {"costs": {"fee": 0.1}}, to_record(OVERLAYS[1]) | {"costs": [0.1, 0.1]},
    ],
)  # fmt: skip
def test_a_record_that_is_no_overlay_is_refused(record: Any) -> None:
    with pytest.raises(InvalidArgument):
        from_record(record)


@pytest.mark.parametrize("records", [None, {}, "x", [RECORD] * 5])
def test_overlays_are_a_short_list(records: Any) -> None:
    with pytest.raises(InvalidArgument):
        from_records(records)


def test_a_stored_model_trades_as_it_did(db: None) -> None:
    bars, policy = gaussian_bars(1500, seed=2), make_policy()
    name = save_model(artifact_store(), policy, OVERLAYS, {"algorithm": "policy_gradient"})
    loaded = load_model(artifact_store(), name)
    expected = policy.positions_on(bars)
    for overlay in OVERLAYS:
        expected = overlay.apply(bars, expected)
    assert loaded.overlays == OVERLAYS
    assert np.array_equal(loaded.positions_on(bars), expected)
    assert not np.array_equal(expected, policy.positions_on(bars))


def test_an_older_artefact_without_overlays_trades_its_policy(db: None) -> None:
    bars, policy = gaussian_bars(800, seed=2), make_policy(3)
    name = save_policy(artifact_store(), policy, {})
    assert np.array_equal(cached_model(name).positions_on(bars), policy.positions_on(bars))


def test_the_signal_that_a_bot_follows_has_the_overlay_on(db: None) -> None:
    bars = gaussian_bars(1500, seed=2)
    market = make_market(bars)
    quiet = (VolatilityTarget(0.2, 50, 8766.0, 0.1),)
    name = save_model(artifact_store(), make_policy(), quiet, {})
    strategy = get_or_create_strategy(market, MODEL_FAMILY, {}, name)
    Champion.objects.create(market=market, strategy=strategy, reason="for the test")
    positions = positions_of(strategy, bars)
    assert market_signal(market).position == positions[-1]
    assert np.abs(positions).max() < 1.0


def _without(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "overlays"}


@pytest.mark.parametrize(
    "alter",
    [
        lambda manifest: manifest | {"overlays": []},
        _without,
        lambda manifest: manifest | {"overlays": [RECORD | {"annual_volatility": 0.9}]},
    ],
)
def test_an_overlay_cannot_be_changed_after_signing(
    alter: Callable[[dict[str, Any]], dict[str, Any]], db: None
) -> None:
    store = artifact_store()
    name = save_model(store, make_policy(7), OVERLAYS, {})
    file = store.path(name) / MANIFEST
    file.write_bytes(json.dumps(alter(json.loads(file.read_bytes()))).encode())
    with pytest.raises(ArtifactRejected):
        load_model(store, name)
    save_model(store, make_policy(7), OVERLAYS, {})  # mends it for later tests


def test_a_signed_overlay_that_this_version_does_not_know_is_refused(db: None) -> None:
    name = save_policy(artifact_store(), make_policy(8), {"overlays": [{"name": "martingale"}]})
    with pytest.raises(ArtifactRejected, match="martingale"):
        load_model(artifact_store(), name)
