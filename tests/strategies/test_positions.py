import numpy as np
import pytest

from strategies.models import Strategy
from strategies.positions import (
    fingerprint,
    get_or_create_strategies,
    get_or_create_strategy,
    positions_of,
)
from strategies.store import artifact_store, trained_until
from tests.strategies.helpers import null_market, save_model
from trainingday.exceptions import ArtifactRejected, InvalidArgument, NotFound

pytestmark = pytest.mark.django_db


def test_a_family_is_stored_once_with_its_defaults():
    market, _, _ = null_market()
    first = get_or_create_strategy(market, "momentum", {"lookback": 20})
    second = get_or_create_strategy(market, "momentum", {"threshold": 0.02})
    assert first == second
    assert first.parameters == {"lookback": 20.0, "threshold": 0.02}


def test_the_fingerprint_tells_families_parameters_and_artefacts_apart():
    names = {
        fingerprint("momentum", {"lookback": 20}),
        fingerprint("momentum", {"lookback": 21}),
        fingerprint("breakout", {"lookback": 20}),
        fingerprint("ml_model", {}, "a" * 64),
        fingerprint("ml_model", {}, "b" * 64),
    }
    assert len(names) == 5


def test_the_fingerprint_ignores_order_and_the_spelling_of_whole_numbers():
    assert fingerprint("x", {"a": 1, "b": 2.0}) == fingerprint("x", {"b": 2, "a": 1.0})


@pytest.mark.parametrize(
    ("family", "parameters", "artifact", "error"),
    [
        ("momentum", {"lookback": 0}, "", InvalidArgument),
        ("momentum", {"speed": 3}, "", InvalidArgument),
        ("momentum", {}, "a" * 64, InvalidArgument),
        ("ml_model", {}, "", InvalidArgument),
        ("ml_model", {"lookback": 3}, "a" * 64, InvalidArgument),
        ("os.system", {}, "", NotFound),
    ],
)
def test_a_strategy_that_makes_no_sense_is_not_stored(family, parameters, artifact, error):
    market, _, _ = null_market()
    with pytest.raises(error):
        get_or_create_strategy(market, family, parameters, artifact)
    assert not Strategy.objects.exists()


def test_many_strategies_take_a_few_queries(django_assert_max_num_queries):
    market, _, _ = null_market()
    wanted = [("momentum", {"lookback": float(n), "threshold": 0.02}, "") for n in range(2, 60)]
    with django_assert_max_num_queries(9):  # keys, insert as one step, keys, rows; PostgreSQL stages the rows
        first = get_or_create_strategies(market, [*wanted, *wanted[:5]])
    assert [row.parameters["lookback"] for row in first[:58]] == [float(n) for n in range(2, 60)]
    assert first[58:] == first[:5]
    assert get_or_create_strategies(market, wanted) == first[:58]


def test_a_model_trades_what_its_artefact_says():
    market, _, bars = null_market()
    strategy = get_or_create_strategy(market, "ml_model", {}, save_model(bias=(0.0, 0.0, 1.0)))
    np.testing.assert_array_equal(positions_of(strategy, bars), np.ones(len(bars)))


def test_a_model_says_which_bars_it_knows():
    assert trained_until(save_model(train_last_us=123)) == 123
    assert trained_until(save_model(train_last_us=None)) is None


def test_a_model_file_that_was_changed_is_rejected():
    market, _, bars = null_market()
    name = save_model(bias=(1.0, 0.0, 0.0))
    weights = artifact_store().path(name) / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ArtifactRejected):
        positions_of(get_or_create_strategy(market, "ml_model", {}, name), bars)


def test_the_newest_key_signs_and_older_keys_still_verify(settings, tmp_path):
    settings.TRAININGDAY_ARTIFACTS = tmp_path
    settings.TRAININGDAY_ARTIFACT_KEYS = ["old:" + "ab" * 32]
    name = save_model()
    settings.TRAININGDAY_ARTIFACT_KEYS = ["new:" + "cd" * 32, "old:" + "ab" * 32]
    assert artifact_store().current_key_id == "new"
    artifact_store().verify(name)


@pytest.mark.parametrize("keys", [[], ["no-hex"], ["id:xyz"]])
def test_missing_or_malformed_keys_are_refused_without_showing_them(settings, keys):
    settings.TRAININGDAY_ARTIFACT_KEYS = keys
    with pytest.raises(InvalidArgument) as caught:
        artifact_store()
    assert "xyz" not in str(caught.value)


def test_a_random_control_has_no_positions_of_its_own():
    market, _, bars = null_market()
    strategy = Strategy(market=market, family="random", parameters={"draw": 1.0})
    with pytest.raises(InvalidArgument, match="beside the winner"):
        positions_of(strategy, bars)
