"""The studentised block bootstrap: arch's bootstrap, and its bad input."""

import numpy as np
import pytest
from arch.bootstrap import CircularBlockBootstrap

from tests.markets import null_returns
from tests.trainingday.stats.test_hac import funds
from trainingday.exceptions import InvalidArgument
from trainingday.stats.bootstrap import bootstrap_sharpe_difference
from trainingday.stats.hac import compare_sharpe_ratios


def bootstrap(candidate, baseline, seed=1, **options):
    options = {"bars_per_year": 12.0} | options
    return bootstrap_sharpe_difference(candidate, baseline, rng=np.random.default_rng(seed), **options)


def test_same_seed_same_result():
    assert bootstrap(*funds()) == bootstrap(*funds())


def test_its_difference_and_error_are_the_gates():
    first, second = funds()
    found, exact = bootstrap(first, second), compare_sharpe_ratios(first, second)
    assert found.difference == pytest.approx(exact.difference * 12**0.5)
    assert found.standard_error == pytest.approx(exact.se_hac * 12**0.5)
    assert found.ci_low < found.difference < found.ci_high
    assert found.block_length == round(120 ** (1 / 3))


def test_arch_resamples_to_the_same_spread():
    """The centred difference of our draws spreads as that of arch's circular block bootstrap."""
    first, second = (
        null_returns("garch", 600, np.random.default_rng(2)),
        null_returns("garch", 600, np.random.default_rng(3)),
    )
    draws = CircularBlockBootstrap(8, first, second, seed=4)
    differences = np.array(
        [a.mean() / a.std() - b.mean() / b.std() for (a, b), _ in (data for data in draws.bootstrap(2_000))]
    )
    ours = bootstrap(first, second, bars_per_year=1.0, block_length=8, n_draws=2_000, confidence=0.6826895)
    half = (ours.ci_high - ours.ci_low) / 2
    assert half == pytest.approx(differences.std(), rel=0.12)


def test_against_flat_a_skilled_series_is_significant_and_noise_is_not():
    noise = null_returns("gaussian", 800, np.random.default_rng(6))
    noise -= noise.mean()
    assert bootstrap(noise, np.zeros(800)).p_value > 0.3
    assert bootstrap(noise + 0.001, np.zeros(800)).p_value == 1 / 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_draws": 10}, "n_draws should be >= 99, is 10"),
        ({"confidence": 1.0}, "confidence should be 0..1, is 1.0"),
        ({"block_length": 61}, "block_length should be 1..60, is 61"),
        ({"block_length": -1}, "block_length should be 1..60, is -1"),
        ({"bars_per_year": -1.0}, "bars_per_year"),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(InvalidArgument, match=message):
        bootstrap(*funds(), **options)


def test_constant_and_unequal_series_are_refused():
    first, second = funds()
    with pytest.raises(InvalidArgument):
        bootstrap(first, second[:-1])
    with pytest.raises(InvalidArgument):
        bootstrap(np.full(120, 0.01), second)
