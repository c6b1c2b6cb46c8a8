"""Intervals of a rate: the specification's vectors and statsmodels."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from trainingday.exceptions import InvalidArgument
from trainingday.stats.proportions import clopper_pearson_interval, wilson_interval


@pytest.mark.parametrize(("k", "n", "low", "high"), [(60, 100, 0.50200, 0.69060), (0, 10, 0.0, 0.2775)])
def test_wilson(k, n, low, high):
    assert wilson_interval(k, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("k", "n", "low", "high"), [(3, 60, 0.01043, 0.13924), (0, 60, 0.0, 0.0596)])
def test_clopper_pearson(k, n, low, high):
    assert clopper_pearson_interval(k, n) == pytest.approx((low, high), abs=5e-5)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 2_000), share=st.floats(0, 1), confidence=st.floats(0.5, 0.999))
def test_statsmodels_agrees(n, share, confidence):
    k = round(share * n)
    for ours, method in ((wilson_interval, "wilson"), (clopper_pearson_interval, "beta")):
        theirs = proportion_confint(k, n, alpha=1 - confidence, method=method)
        found = ours(k, n, confidence)
        assert found == pytest.approx(theirs, abs=1e-9)
        assert 0.0 <= found.low <= k / n <= found.high <= 1.0


def test_nothing_observed_has_no_interval():
    assert wilson_interval(0, 0) is None
    assert clopper_pearson_interval(0, 0) is None


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 0.0), (1, 5, 95)])
@pytest.mark.parametrize("interval", [wilson_interval, clopper_pearson_interval])
def test_a_wrong_argument_is_refused(interval, k, n, confidence):
    with pytest.raises(InvalidArgument):
        interval(k, n, confidence)
