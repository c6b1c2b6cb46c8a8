"""The miner's claims on markets of known truth: false ones are rare, planted words come back."""

import numpy as np
import pytest
from scipy.stats import binom

from patterns.discovery import honesty
from patterns.discovery.features import Features
from patterns.discovery.honesty import run_null, run_planted
from patterns.discovery.options import MiningOptions
from patterns.discovery.pattern import Shape
from patterns.discovery.words import WordArray

# EVIDENCE.md: of 200 sessions on null markets at most 30 with candidates, at most 6 with confirmed.
WORST_CANDIDATE_RATE, WORST_CONFIRMED_RATE = 30 / 200, 6 / 200


def worst_count(n: int, rate: float) -> int:
    """Return the count that a true rate of `rate` exceeds in less than 1 % of `n` sessions."""
    return int(binom.ppf(0.99, n, rate))


def test_a_session_is_repeatable_and_kinds_rotate() -> None:
    assert run_null(0) == run_null(0)
    assert [run_null(index).market for index in range(6)] == ["N1", "N2", "N3", "N4", "N5", "N1"]
    assert run_null(2).n_tested > 1000


@pytest.mark.slow
def test_null_markets_yield_candidates_and_confirmed_patterns_at_the_stated_rate() -> None:
    outcomes = [run_null(index) for index in range(100)]
    assert sum(each.n_candidates > 0 for each in outcomes) <= worst_count(100, 0.069)
    assert sum(each.n_confirmed > 0 for each in outcomes) <= worst_count(100, 0.005)


@pytest.mark.slow
def test_at_least_four_of_ten_planted_words_are_recovered() -> None:
    outcomes = [run_planted(index) for index in range(20)]
    assert np.mean([each.n_words_recovered for each in outcomes]) >= 4
    assert np.mean([each.n_words_false for each in outcomes]) <= 0.5
    assert np.mean([each.n_words_confirmed > 3 for each in outcomes]) >= 0.5


@pytest.mark.slow
def test_more_effect_recovers_more_words_and_none_recovers_none() -> None:
    means = [
        np.mean([run_planted(index, effect=effect).n_words_recovered for index in range(8)])
        for effect in (0.0, 0.3, 0.45, 0.9)
    ]
    assert means == sorted(means)
    assert means[0] == 0
    assert means[-1] >= 7


@pytest.mark.slow
def test_a_miner_whose_words_see_three_bars_ahead_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    # One bar ahead moves a letter's mean by a tenth of one return: too little for any null rate to see.
    # test_look_ahead.py catches that one directly.
    honest = Features.words

    def early(features: Features, shape: Shape) -> WordArray:
        return np.concatenate((honest(features, shape)[3:], np.full(3, -1, dtype=np.int16)))

    monkeypatch.setattr(Features, "words", early)
    outcomes = [run_null(index) for index in range(10)]
    assert sum(each.n_candidates > 0 for each in outcomes) > worst_count(10, WORST_CANDIDATE_RATE)
    assert sum(each.n_confirmed > 0 for each in outcomes) > worst_count(10, WORST_CONFIRMED_RATE)


@pytest.mark.slow
def test_without_the_correction_for_many_tests_every_market_has_patterns() -> None:
    careless = MiningOptions(false_discovery_rate=0.9999999, confirmation_rate=0.999)
    outcomes = [run_null(index, options=careless) for index in range(3)]
    assert all(each.n_candidates > 100 for each in outcomes)


def test_the_benchmark_has_the_stated_bars() -> None:
    assert (honesty.SEARCH_BARS, honesty.GAP_BARS, honesty.LATER_BARS) == (40_000, 60, 10_000)
    assert slice(40_060, 50_060) == honesty.LATER
