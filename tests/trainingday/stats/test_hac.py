"""Standard errors of Sharpe ratios: the specification's vectors, and statsmodels."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from arch.covariance import kernel
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from statsmodels.stats.sandwich_covariance import S_hac_simple
from statsmodels.tsa.ar_model import AutoReg

from tests.markets import null_returns
from trainingday.exceptions import InvalidArgument
from trainingday.stats.hac import (
    compare_sharpe_ratios,
    compare_to_flat,
    influence_series,
    long_run_variance,
    memmel_error,
    normal_tail,
    parzen_bandwidth,
)

T = np.arange(1000.0)
FIRST = 0.0010 + 0.010 * np.sin(1.3 * T) + 0.004 * np.cos(0.37 * T**2)
SECOND = 0.0002 + 0.008 * np.sin(1.1 * T + 0.5) + 0.004 * np.cos(0.29 * T**2)


def autoregressive_vector():
    x = np.zeros(1000)
    for t in range(1, 1000):
        x[t] = 0.3 * x[t - 1] + math.sin(1.3 * t) + math.cos(0.37 * t**2)
    return 0.001 + 0.01 * x


def funds():
    """Return two correlated monthly return series of ten years in percent, heavy-tailed."""
    rng = np.random.default_rng(120)
    common = rng.standard_t(5, 120)
    first, second = (1.0 + 3.0 * (0.6 * common + 0.8 * rng.standard_t(5, 120)) for _ in range(2))
    return first, second


def test_the_specification_vector_of_two_series():
    found = compare_sharpe_ratios(FIRST, SECOND)
    assert found.sharpe_candidate == pytest.approx(0.144567412, abs=5e-10)
    assert found.sharpe_baseline == pytest.approx(0.010735213, abs=5e-10)
    assert found.difference == pytest.approx(0.133832199, abs=5e-10)
    assert found.se_hac == pytest.approx(0.01877452, abs=5e-9)
    assert found.se_iid == pytest.approx(0.04539701, abs=5e-9)
    assert found.standard_error == found.se_iid
    assert found.z == pytest.approx(2.94804, abs=5e-6)


def test_the_specification_vector_against_flat():
    found = compare_to_flat(autoregressive_vector())
    assert found.sharpe_candidate == pytest.approx(0.13116997, abs=5e-9)
    assert found.se_hac == pytest.approx(0.02885514, abs=5e-9)
    assert found.se_iid == pytest.approx(0.03175851, abs=5e-9)
    assert found.z == pytest.approx(4.13023, abs=5e-6)


def test_a_flat_baseline_is_a_series_of_zeros():
    returns = autoregressive_vector()
    assert compare_sharpe_ratios(returns, np.zeros(1000)) == compare_to_flat(returns)


def test_the_influence_series_is_the_gradient_in_moments_by_finite_differences():
    # Guards against the sign error in gradient[3] of a public implementation.
    returns, _ = funds()
    mean, square = returns.mean(), (returns**2).mean()

    def sharpe(m, g):
        return m / math.sqrt(g - m**2)

    step = 1e-5
    slope_mean = (sharpe(mean + step, square) - sharpe(mean - step, square)) / (2 * step)
    slope_square = (sharpe(mean, square + step) - sharpe(mean, square - step)) / (2 * step)
    expected = slope_mean * (returns - mean) + slope_square * (returns**2 - square)
    np.testing.assert_allclose(influence_series(returns)[1], expected, rtol=1e-5, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_influence_series_has_mean_zero(seed):
    returns = null_returns("student", 300, np.random.default_rng(seed)) + 0.001
    assert abs(influence_series(returns)[1].mean()) < 1e-12


def test_without_autocorrelation_the_long_run_variance_is_the_variance():
    # Lag-1 products cancel in pairs: rho is 0, the bandwidth 0, and only T / (T - 4) remains.
    series = np.tile([1.0, 1.0, -1.0, -1.0], 250)
    centred = np.append(series, 0.0)[:1000]
    rho = float(centred[1:] @ centred[:-1]) / float(centred @ centred)
    assert abs(rho) < 2e-3
    assert long_run_variance(centred) == pytest.approx(1000 / 996, rel=0.2)


def test_statsmodels_agrees_on_the_long_run_variance_with_parzen_weights():
    rng = np.random.default_rng(8)
    noise = rng.standard_normal(2_000)
    series = np.empty(2_000)
    series[0] = noise[0]
    for t in range(1, 2_000):
        series[t] = 0.4 * series[t - 1] + noise[t]
    series -= series.mean()
    rho = float(series[1:] @ series[:-1]) / float(series @ series)
    bandwidth = parzen_bandwidth(rho, 2_000)

    def weights(n_lags):
        x = np.arange(n_lags + 1) / bandwidth
        return np.where(x <= 0.5, 1 - 6 * x**2 + 6 * x**3, 2 * (1 - x) ** 3)

    fit = sm.OLS(series, np.ones(2_000)).fit(
        cov_type="HAC",
        cov_kwds={"maxlags": math.ceil(bandwidth) - 1, "weights_func": weights, "use_correction": False},
    )
    theirs = fit.cov_params()[0, 0] * 2_000 * 2_000 / 1_996
    assert long_run_variance(series) == pytest.approx(theirs, rel=1e-9)
    # Its truth is 1 / (1 - 0.4)**2.
    assert long_run_variance(series) == pytest.approx(1 / 0.36, rel=0.2)


def moment_gradient(series):
    """Return the moments of two series, centred, and Ledoit & Wolf's gradient of the difference in them."""
    mean, square = series.mean(axis=0), (series**2).mean(axis=0)
    cubed = (square - mean**2) ** 1.5
    gradient = np.array(
        [square[0] / cubed[0], -square[1] / cubed[1], -mean[0] / (2 * cubed[0]), mean[1] / (2 * cubed[1])]
    )
    moments = np.column_stack([series, series**2])
    return moments - moments.mean(axis=0), gradient


@pytest.mark.parametrize("seed", range(5))
def test_the_paper_s_four_moment_form_by_statsmodels_and_arch_is_the_same_standard_error(seed):
    # The shape of the paper's fund data: ten years of months, two correlated heavy-tailed series in percent.
    rng = np.random.default_rng(seed)
    common = rng.standard_t(4, 120)
    series = np.column_stack([0.5 + 4 * (0.7 * common + 0.7 * rng.standard_t(4, 120)) for _ in range(2)])
    series[1:] += 0.2 * series[:-1]
    found = compare_sharpe_ratios(series[:, 0], series[:, 1])
    moments, gradient = moment_gradient(series)
    combined = influence_series(series[:, 0])[1] - influence_series(series[:, 1])[1]
    rho = float(combined[1:] @ combined[:-1]) / float(combined @ combined)
    bandwidth = parzen_bandwidth(rho, 120)
    n_lags = math.ceil(bandwidth) - 1

    def weights(n_lags):
        x = np.arange(n_lags + 1) / bandwidth
        return np.where(x <= 0.5, 1 - 6 * x**2 + 6 * x**3, 2 * (1 - x) ** 3)

    total = S_hac_simple(moments, nlags=n_lags, weights_func=weights)
    assert found.se_hac == pytest.approx(math.sqrt(gradient @ total @ gradient / 120 / 116), rel=1e-10)
    # arch divides a lag by bandwidth + 1 and drops the lags beyond the bandwidth's whole part.
    parzen = kernel.Parzen(moments, bandwidth=bandwidth - 1, center=False)
    assert parzen.kernel_const == 2.6614
    theirs = math.sqrt(gradient @ parzen.cov.long_run @ gradient / 116)
    assert found.se_hac == pytest.approx(theirs, rel=5e-3)


def test_the_plug_in_bandwidth_is_andrews_for_the_autoregression_that_statsmodels_fits():
    noise = np.random.default_rng(2).standard_normal(3_000)
    series = lfilter([1.0], [1.0, -0.5], noise)
    series -= series.mean()
    rho = float(AutoReg(series, 1, trend="n").fit().params[0])
    own = float(series[1:] @ series[:-1]) / float(series @ series)
    assert parzen_bandwidth(own, 3_000) == pytest.approx(
        2.6614 * (3_000 * 4 * rho**2 / (1 - rho) ** 4) ** 0.2, rel=2e-3
    )


def test_strong_negative_autocorrelation_is_floored_at_a_tenth_of_the_variance():
    series = np.tile([1.0, -1.0], 500)
    assert long_run_variance(series) == pytest.approx(0.1 * 1000 / 996, rel=1e-12)


def test_the_memmel_error_of_a_series_with_itself_is_zero():
    assert memmel_error(0.1, 0.1, 1.0, 500) == 0.0
    assert memmel_error(0.1, 0.0, 0.0, 500) == pytest.approx(math.sqrt((2 + 0.5 * 0.01) / 500))


def test_a_leveraged_copy_is_no_better_than_the_original():
    for factor in (1.0, 3.0, 0.1):
        found = compare_sharpe_ratios(factor * FIRST, FIRST)
        assert found.z is None
        assert found.p_value == 1.0


def test_the_larger_standard_error_decides_either_way():
    noise = null_returns("gaussian", 2_000, np.random.default_rng(9))
    slow = noise + np.concatenate(([0.0], noise[:-1]))
    found = compare_to_flat(slow)
    assert found.se_hac > 1.2 * found.se_iid
    assert found.standard_error == found.se_hac
    # The standard error of a mean of x_t + x_{t-1} is twice that of its noise: sqrt(2) in Sharpe ratios.
    assert found.se_hac == pytest.approx(math.sqrt(2 / 2_000), rel=0.15)


def test_the_comparison_is_antisymmetric():
    one, other = compare_sharpe_ratios(FIRST, SECOND), compare_sharpe_ratios(SECOND, FIRST)
    assert one.z == pytest.approx(-other.z)
    assert one.p_value + other.p_value == pytest.approx(1.0)


def test_the_tail_keeps_its_digits_far_out():
    assert normal_tail(1.959963984540054) == pytest.approx(0.025, rel=1e-12)
    assert normal_tail(10.0) == pytest.approx(7.619853024160527e-24, rel=1e-10)


@pytest.mark.parametrize(
    "bad", [np.full(300, 0.001), np.full(300, np.nan), np.array([0.1, 0.2, 0.1, 0.0]), np.array([])]
)
def test_a_series_without_a_sharpe_ratio_is_refused(bad):
    with pytest.raises(InvalidArgument):
        compare_to_flat(bad)


def test_series_of_other_lengths_are_refused():
    with pytest.raises(InvalidArgument, match="should hold 1000 returns as the candidate, holds 999"):
        compare_sharpe_ratios(FIRST, SECOND[:-1])
