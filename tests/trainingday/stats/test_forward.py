"""Forward evidence: the closed form, errors that are kept at all times together, and bad input."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from tests.markets import null_returns
from trainingday.exceptions import InvalidArgument
from trainingday.stats.forward import (
    ForwardVerdict,
    challenger_evidence,
    confidence_sequence,
    decay_alarm,
    follow_mean,
)

YEAR = 2_000.0


def test_the_margin_is_the_papers_closed_form():
    series = np.tile([1.0, -1.0], 500)  # variance 1, and no positive autocorrelation to inflate it
    rho2 = (-2 * math.log(0.05) + math.log(-2 * math.log(0.05)) + 1) / 400
    n = 800
    margin = math.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / 0.05))
    found = confidence_sequence(series, n_optimal=400)
    assert found.mean[n - 1] == 0.0
    assert found.high[n - 1] == pytest.approx(margin, rel=1e-12)
    assert found.low[n - 1] == pytest.approx(-margin, rel=1e-12)


def test_it_is_wider_than_a_fixed_interval_but_not_by_much():
    found = confidence_sequence(np.tile([1.0, -1.0], 500), n_optimal=1_000)
    assert 1.96 / math.sqrt(1_000) < found.high[-1] < 2 * 1.96 / math.sqrt(1_000)


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_it_ever_excludes_the_true_mean_no_more_often_than_its_level(phi):
    n_series, ever = 400, 0
    for seed in range(n_series):
        rng = np.random.default_rng([3, seed])
        noise = null_returns("garch", 3_000, rng)
        # A moving average is autocorrelated as a slow strategy's returns are.
        series = noise + phi * np.concatenate(([0.0], noise[:-1]))
        found = confidence_sequence(series, n_optimal=1_000)
        ever += bool(((found.low > 0) | (found.high < 0)).any())
    print(f"\nfalse exclusions at any of 3,000 bars, phi {phi}: {ever} of {n_series}")
    assert ever <= binom.ppf(0.999, n_series, 0.05)


def test_a_better_challenger_is_promoted_on_later_bars():
    rng = np.random.default_rng(4)
    champion = null_returns("gaussian", 4_000, rng)
    challenger = champion + null_returns("gaussian", 4_000, rng, sigma=0.002) + 0.0003
    found = challenger_evidence(challenger, champion, bars_per_year=YEAR)
    assert found.verdict is ForwardVerdict.BETTER
    assert 249 <= found.decided_at < 4_000
    assert 0 < found.low < found.mean < found.high
    assert found.mean == pytest.approx((challenger - champion).mean() * YEAR)
    mirrored = challenger_evidence(champion, challenger, bars_per_year=YEAR)
    assert mirrored.verdict is ForwardVerdict.WORSE
    assert mirrored.decided_at == found.decided_at


def test_a_losing_champion_rings_the_alarm_and_a_sound_one_does_not():
    noise = null_returns("gaussian", 4_000, np.random.default_rng(5))
    assert decay_alarm(noise - 0.001, bars_per_year=YEAR).verdict is ForwardVerdict.WORSE
    assert "Decay alarm" in decay_alarm(noise - 0.001, bars_per_year=YEAR).reason
    assert decay_alarm(noise - noise.mean(), bars_per_year=YEAR).verdict is ForwardVerdict.UNDECIDED
    assert decay_alarm(noise + 0.001, bars_per_year=YEAR).verdict is ForwardVerdict.BETTER


@pytest.mark.slow
def test_ten_challengers_without_skill_are_rarely_ever_promoted():
    # What a market risks: ten failed exams, each challenger followed for a year of hours at twice the exam's
    # level (two sides), against the champion alone; the market baseline can only make it rarer.
    n_markets, n_promoted = 200, 0
    for market in range(n_markets):
        rng = np.random.default_rng([12, market])
        champion = null_returns("student", 8_760, rng)
        n_promoted += any(
            (follow_mean(one - champion, bars_per_year=YEAR, level=0.01).low > 0).any()
            for one in (null_returns("student", 8_760, rng) for _ in range(10))
        )
    print(f"\nmarkets that ever promote one of ten challengers without skill: {n_promoted} of {n_markets}")
    assert n_promoted <= binom.ppf(0.999, n_markets, 0.05)


def test_the_newest_bar_speaks_whatever_an_earlier_one_said():
    noise = null_returns("gaussian", 9_000, np.random.default_rng(11))
    noise -= noise.mean()
    drift = np.concatenate([np.full(3_000, 0.001), np.full(6_000, -0.002)])
    earned, lost = noise[:3_000] + drift[:3_000], noise + drift
    assert decay_alarm(earned, bars_per_year=YEAR).verdict is ForwardVerdict.BETTER
    found = decay_alarm(lost, bars_per_year=YEAR)
    assert found.verdict is ForwardVerdict.WORSE
    assert 3_000 < found.decided_at < 9_000 and found.high < 0
    between = decay_alarm(lost[: found.decided_at], bars_per_year=YEAR)
    assert between.verdict is ForwardVerdict.UNDECIDED and between.decided_at is None


def test_too_few_bars_decide_nothing():
    found = decay_alarm(np.full(249, -0.01), bars_per_year=YEAR)
    assert found.verdict is ForwardVerdict.UNDECIDED
    assert found.low is None
    assert "249 later bars" in found.reason
    assert decay_alarm(np.array([]), bars_per_year=YEAR).verdict is ForwardVerdict.UNDECIDED


@pytest.mark.parametrize("fill", [0.0, 0.001])
def test_a_constant_difference_excludes_nothing(fill):
    found = decay_alarm(np.full(1_000, fill), bars_per_year=YEAR)
    assert found.verdict is ForwardVerdict.UNDECIDED


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_it_cannot_tell_from_returns_that_are_no_numbers(bad):
    series = null_returns("gaussian", 500, np.random.default_rng(6))
    series[100] = bad
    found = challenger_evidence(series, np.zeros(500), bars_per_year=YEAR)
    assert found.verdict is ForwardVerdict.CANNOT_TELL
    assert found.mean is None


def test_the_past_of_a_sequence_never_changes():
    series = null_returns("garch", 2_000, np.random.default_rng(7))
    whole = confidence_sequence(series, n_optimal=500)
    for cut in (1, 300, 777, 1_500):
        part = confidence_sequence(series[:cut], n_optimal=500)
        np.testing.assert_array_equal(part.low, whole.low[:cut])


def test_wrong_arguments_are_named():
    series = np.zeros(300)
    with pytest.raises(InvalidArgument, match="champion should hold 300 returns as the challenger, holds 2"):
        challenger_evidence(series, np.zeros(2), bars_per_year=YEAR)
    with pytest.raises(InvalidArgument, match="n_optimal should be >= 1, is 0"):
        confidence_sequence(series, n_optimal=0)
    with pytest.raises(InvalidArgument, match=r"level should be > 0 and < 1, is 1\.0"):
        confidence_sequence(series, n_optimal=5, level=1.0)
    with pytest.raises(InvalidArgument, match="differences should be finite"):
        confidence_sequence(np.array([np.nan]), n_optimal=5)


def test_autocorrelated_differences_widen_the_sequence():
    noise = null_returns("gaussian", 4_000, np.random.default_rng(8))
    slow = noise + np.concatenate(([0.0], noise[:-1]))
    widths = [
        confidence_sequence(series, n_optimal=1_000).high[-1] - series.mean() for series in (noise, slow)
    ]
    # The long-run deviation of x_t + x_{t-1} is twice the noise's; its plain one only sqrt(2) times.
    assert widths[1] / widths[0] == pytest.approx(2.0, rel=0.15)
