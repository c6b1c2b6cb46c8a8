"""One suite over every family: look-ahead, NaN, warm-up, empty and still markets, determinism."""

import numpy as np
import pytest

from strategies.library.base import Parameter
from strategies.library.registry import families, get_family
from tests.lookahead import find_lookahead
from tests.markets import autoregressive_bars, bars_from_closes
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, NotEnoughBars

N_CUTS = 120
ALL = list(families())
TRADING = [name for name in ALL if name not in ("flat", "buy_and_hold")]
WITH_WINDOWS = [name for name in ALL if any(p.is_integer for p in get_family(name).parameters)]


@pytest.fixture(scope="module")
def bars() -> Bars:
    return autoregressive_bars(1_500, seed=21, phi=0.3)


@pytest.mark.parametrize("name", ALL)
def test_a_family_never_reads_the_future(name: str, bars: Bars) -> None:
    family = get_family(name)
    assert find_lookahead(lambda b: family.positions(b, {}), bars, N_CUTS, np.random.default_rng(1)) == []


@pytest.mark.parametrize("name", TRADING)
def test_a_family_trades_both_ways_and_is_flat_in_its_warm_up(name: str, bars: Bars) -> None:
    family = get_family(name)
    positions = family.positions(bars, {})
    assert set(positions) >= {1.0, -1.0}
    first_window = int(min(p.default for p in family.parameters if p.is_integer))
    assert not positions[: first_window - 1].any()


@pytest.mark.parametrize("name", ALL)
def test_positions_are_numbers_in_bounds_on_any_market(name: str) -> None:
    family = get_family(name)
    rng = np.random.default_rng(2)
    for steps in (np.zeros(1_200), np.full(1_200, 0.001), 0.2 * rng.standard_normal(1_200)):
        market = bars_from_closes(100 * np.exp(np.cumsum(steps)))
        positions = family.positions(market, {})
        assert positions.shape == (1_200,)
        assert positions.dtype == np.float64
        assert np.isfinite(positions).all()
        assert np.abs(positions).max() <= 1


@pytest.mark.parametrize("name", TRADING)
def test_a_market_that_does_not_move_is_not_traded(name: str) -> None:
    still = bars_from_closes(np.full(1_200, 100.0))
    assert not get_family(name).positions(still, {}).any()


@pytest.mark.parametrize("name", ALL)
def test_the_same_bars_give_the_same_positions(name: str, bars: Bars) -> None:
    family = get_family(name)
    assert family.positions(bars, {}).tobytes() == family.positions(bars, {}).tobytes()


@pytest.mark.parametrize("name", ALL)
def test_a_family_describes_itself(name: str) -> None:
    family = get_family(name)
    assert family.name == name
    assert family.title and family.meaning and family.source
    for parameter in family.parameters:
        assert parameter.meaning
        assert parameter.low <= parameter.default <= parameter.high
        assert not parameter.is_log or parameter.low > 0


@pytest.mark.parametrize("name", WITH_WINDOWS)
def test_a_window_must_be_shorter_than_the_bars(name: str, bars: Bars) -> None:
    with pytest.raises(NotEnoughBars, match="should be < 2 bars, is"):
        get_family(name).positions(bars[:2], {})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lookback": 501}, "lookback should be 2..500, is 501"),
        ({"lookback": 2.5}, "lookback should be a whole number, is 2.5"),
        ({"threshold": float("nan")}, "threshold should be 0.0005..0.2, is nan"),
        ({"threshold": "much"}, "threshold should be a number, is 'much'"),
        ({"window": 5}, "parameters of momentum should be among .*, one is 'window'"),
    ],
)
def test_it_refuses_bad_parameters(parameters: dict[str, float], message: str, bars: Bars) -> None:
    with pytest.raises(InvalidArgument, match=message):
        get_family("momentum").positions(bars, parameters)


def test_the_seeds_defaults_are_kept() -> None:
    defaults = {
        name: [p.default for p in get_family(name).parameters]
        for name in ("momentum", "mean_reversion", "breakout")
    }
    assert defaults == {"momentum": [20, 0.02], "mean_reversion": [50, 2.0], "breakout": [14, 1.5]}


def test_momentum_follows_the_return_over_its_lookback() -> None:
    steps = np.concatenate((np.zeros(20), [np.log(1.05)], np.zeros(30), [np.log(0.9)], np.zeros(30)))
    market = bars_from_closes(100 * np.exp(np.cumsum(steps)))
    positions = get_family("momentum").positions(market, {"lookback": 10, "threshold": 0.02})
    assert positions[19:32].tolist() == [0] + [1] * 10 + [0] * 2
    assert positions[50:63].tolist() == [0] + [-1] * 10 + [0] * 2


def test_a_parameter_names_itself_in_its_message() -> None:
    with pytest.raises(InvalidArgument, match=r"share should be 0..1, is 2"):
        Parameter("share", 0, 1, 0.5, False, False, "A share.").check(2)
