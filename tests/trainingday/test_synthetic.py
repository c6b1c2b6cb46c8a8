"""Synthetic markets have the moments and the structure that they claim, and the same seed the same bits."""

import numpy as np
import pytest

from patterns.discovery.words import compute_words
from trainingday import synthetic
from trainingday.exceptions import InvalidArgument
from trainingday.synthetic import CODES, SIGMA, market_rng, planted_words_market, synthetic_bars

KINDS = ["N1", "N2", "N3", "N4", "N5", "N6", "P1", "P2"]
N_BARS = 200_000


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_index_gives_the_same_bars_and_another_gives_others(kind: str) -> None:
    first, again, other = (synthetic_bars(kind, 2000, index) for index in (3, 3, 4))
    for column in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(first, column), getattr(again, column))
    assert (first.close != other.close).any()
    assert (synthetic_bars(kind, 2000, 3, seed=1).close != first.close).any()


@pytest.mark.parametrize("kind", KINDS)
def test_returns_have_the_stated_deviation(kind: str) -> None:
    returns = np.diff(np.log(synthetic_bars(kind, N_BARS, 0).close))
    # P2 adds a drift of +-0.15 sigma to noise of sigma.
    expected = SIGMA * np.sqrt(1 + 0.15**2) if kind == "P2" else SIGMA
    assert returns.std() == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("kind", ["N1", "N2", "N3", "N4", "N5"])
def test_a_null_market_has_no_autocorrelation_and_no_drift(kind: str) -> None:
    returns = np.diff(np.log(synthetic_bars(kind, N_BARS, 1).close))
    products = returns[1:] * returns[:-1]
    # Heteroskedasticity-robust: 4 standard errors.
    assert abs(products.mean()) < 4 * products.std() / np.sqrt(N_BARS)
    assert abs(returns.mean()) < 4 * SIGMA / np.sqrt(N_BARS)


def test_clustered_markets_cluster_and_plain_ones_do_not() -> None:
    correlation = {}
    for kind in ("N1", "N2", "N3", "N4", "N5"):
        size = np.abs(np.diff(np.log(synthetic_bars(kind, N_BARS, 2).close)))
        correlation[kind] = np.corrcoef(size[1:], size[:-1])[0, 1]
    assert abs(correlation["N1"]) < 0.01
    assert abs(correlation["N2"]) < 0.02
    assert min(correlation["N3"], correlation["N4"], correlation["N5"]) > 0.1


def test_p1_has_its_autoregression_and_p2_its_slow_drift() -> None:
    p1 = np.diff(np.log(synthetic_bars("P1", N_BARS, 0).close))
    assert np.corrcoef(p1[1:], p1[:-1])[0, 1] == pytest.approx(0.15, abs=0.015)
    p2 = np.diff(np.log(synthetic_bars("P2", N_BARS, 0).close)) / SIGMA
    # Autocovariance of a sign that flips with probability 1/200: 0.15^2 (1 - 2/200)^lag.
    lags = np.arange(1, 51)
    measured = np.mean([np.mean(p2[lag:] * p2[:-lag]) for lag in lags])
    assert measured == pytest.approx(np.mean(0.15**2 * 0.99**lags), rel=0.25)


def test_n6_earns_a_sharpe_ratio_of_one_a_year() -> None:
    with_drift = synthetic.drifting_returns(1000, np.random.default_rng(1))
    without = synthetic.gaussian_returns(1000, np.random.default_rng(1))
    np.testing.assert_allclose((with_drift - without) / SIGMA * np.sqrt(8760), 1.0)


def test_bars_open_at_the_close_before_and_hold_open_and_close() -> None:
    bars = synthetic_bars("N3", 5000, 0)
    np.testing.assert_array_equal(bars.open[1:], bars.close[:-1])
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    # On plain noise: elsewhere volume follows the clusters of |r| as well.
    log_volume = np.log(synthetic_bars("N1", 5000, 0).volume) - 10
    assert np.corrcoef(log_volume[1:], log_volume[:-1])[0, 1] == pytest.approx(0.95, abs=0.03)


def test_planted_drift_follows_the_planted_words_and_nothing_else() -> None:
    market = planted_words_market(20_000, 0, effect=0.6)
    words = compute_words(market.bars)
    returns = np.diff(np.log(market.bars.close), prepend=np.log(100))
    expected = np.zeros(20_000)
    for plant in market.words:
        free_from = 0
        for bar in np.flatnonzero(words == plant.word):
            if bar >= max(free_from, 50):
                free_from = bar + plant.horizon
                size = returns[bar - 49 : bar + 1].std() / np.sqrt(plant.horizon)
                expected[bar + 1 : bar + 1 + plant.horizon] += 0.6 * plant.direction * size
    np.testing.assert_allclose(market.drift, expected, atol=1e-9)
    assert len({plant.word for plant in market.words}) == 10
    assert (market.drift != 0).mean() > 0.02


def test_no_effect_plants_nothing() -> None:
    assert not planted_words_market(2000, 0, effect=0.0).drift.any()


def test_the_codes_of_the_seeds_never_change() -> None:
    assert CODES == {
        "N1": 1, "N2": 2, "N3": 3, "N4": 4, "N5": 5, "N6": 6, "P1": 11, "P2": 12, "patterns": 13,
    }  # fmt: skip
    expected = np.random.default_rng([20240601, 3, 7]).random()
    assert market_rng("N3", 7).random() == expected


def test_impossible_arguments_are_refused() -> None:
    for call in (
        lambda: synthetic_bars("N9", 100, 0),
        lambda: synthetic_bars("patterns", 100, 0),
        lambda: synthetic_bars("N1", 1, 0),
        lambda: synthetic_bars("N1", 100, -1),
        lambda: market_rng("X", 0),
        lambda: planted_words_market(50, 0),
        lambda: planted_words_market(500, 0, n_words=0),
        lambda: planted_words_market(500, 0, effect=float("nan")),
    ):
        with pytest.raises(InvalidArgument):
            call()
