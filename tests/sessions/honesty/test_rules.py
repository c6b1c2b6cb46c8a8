"""Limits of counts: those of EVIDENCE.md at 200 markets, and the binomial law at any other number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from sessions.honesty.rules import fails_from, needed_for_power
from trainingday.exceptions import InvalidArgument

RATES = st.sampled_from([0.005, 0.01, 0.05, 0.1])


@pytest.mark.parametrize(("rate", "limit"), [(0.05, 19), (0.005, 5), (0.10, 31), (0.01, 7)])
def test_limits_at_200_markets_are_those_of_the_evidence(rate: float, limit: int) -> None:
    assert fails_from(200, rate) == limit


@pytest.mark.parametrize(("floor", "reference", "least"), [(0.60, 0.75, 60), (0.65, 0.79, 65)])
def test_floors_at_100_planted_markets_are_those_of_the_evidence(
    floor: float, reference: float, least: int
) -> None:
    assert needed_for_power(100, floor, reference) == least


@given(n=st.integers(1, 1500), rate=RATES)
def test_a_faultless_product_reaches_the_limit_in_under_one_percent_of_runs(n: int, rate: float) -> None:
    limit = fails_from(n, rate)
    assert binom.sf(limit - 1, n, rate) < 0.01
    assert binom.sf(limit - 2, n, rate) >= 0.01 * (1 - 1e-9)


@given(n=st.integers(1, 400))
def test_a_product_of_the_reference_power_misses_the_floor_in_under_one_percent_of_runs(n: int) -> None:
    least = needed_for_power(n, 0.60, 0.75)
    assert binom.cdf(least - 1, n, 0.75) < 0.01
    assert least <= 0.60 * n + 1


@pytest.mark.parametrize(("n", "rate"), [(0, 0.05), (10, 0.0), (10, 1.0)])
def test_counts_and_rates_outside_their_bounds_are_refused(n: int, rate: float) -> None:
    with pytest.raises(InvalidArgument, match="should be"):
        fails_from(n, rate)
