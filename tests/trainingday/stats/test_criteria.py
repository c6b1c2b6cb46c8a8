"""Success criteria: met only where the interval says so, sealed after a failed exam, None when unknown."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from tests.markets import null_returns
from trainingday.exceptions import InvalidArgument
from trainingday.stats.criteria import (
    drawdown_reduction,
    ensemble_stability,
    generation_improvement,
    new_patterns,
    search_improvement,
    sharpe_improvement,
    validated_out_of_sample,
    win_rate_trend,
)
from trainingday.stats.criterion import POINT_ONLY
from trainingday.stats.gate import Verdict

YEAR = 8_760.0
N_BARS = 40_000


def series_of(sharpe, seed, n_bars=N_BARS):
    noise = null_returns("gaussian", n_bars, np.random.default_rng(seed))
    noise = (noise - noise.mean()) / noise.std()
    return 0.005 * (noise + sharpe / math.sqrt(YEAR))


def improvement(candidate, champion, verdict=Verdict.PASSED):
    found = sharpe_improvement(candidate, champion, bars_per_year=YEAR, verdict=verdict)
    json.dumps(found.as_dict(), allow_nan=False)
    return found


def test_a_clear_sharpe_improvement_is_met_with_its_interval():
    found = improvement(series_of(9.0, 1), series_of(4.0, 2))
    assert found.value == pytest.approx(9.0 / 4.0 - 1.0, rel=1e-6)
    assert 0.05 < found.low < found.value < found.high
    assert found.met is True
    assert found.n == N_BARS


def test_a_point_estimate_above_5_percent_is_marked_and_not_met():
    found = improvement(series_of(4.4, 1), series_of(4.0, 2))
    assert found.value == pytest.approx(0.1)
    assert found.low < 0.05
    assert found.met is False
    assert POINT_ONLY in found.note


def test_against_a_champion_near_zero_only_the_difference_is_shown():
    for champion in (series_of(0.05, 2), series_of(-2.0, 2), np.zeros(N_BARS)):
        found = improvement(series_of(5.0, 1), champion)
        assert found.met is None
        assert found.low < found.value < found.high
        assert "percentage means nothing" in found.note
    assert found.value == pytest.approx(5.0)


def test_a_champion_not_told_from_zero_has_no_bounded_percentage():
    found = improvement(series_of(5.0, 1, 4_000), series_of(0.3, 2, 4_000))
    assert found.value == pytest.approx(5.0 / 0.3 - 1.0)
    assert (found.low, found.high, found.met) == (None, None, False)
    assert POINT_ONLY in found.note


def test_the_interval_of_the_improvement_covers_the_truth():
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng([5, seed])
        common = rng.standard_normal(4_000)
        champion = 0.6 * common + 0.8 * rng.standard_normal(4_000) + 0.15
        candidate = 0.6 * common + 0.8 * rng.standard_normal(4_000) + 0.18
        found = sharpe_improvement(candidate, champion, bars_per_year=250, verdict=Verdict.PASSED)
        hits += found.low <= 0.2 <= found.high
    # 95 % of 200 is 190, deviation 3.1.
    assert 178 <= hits <= 200


@pytest.mark.parametrize(
    ("verdict", "met"),
    [(Verdict.NOT_PROVEN, False), (Verdict.CANNOT_TELL, None), (Verdict.NO_EXAM_LEFT, None)],
)
def test_without_a_pass_the_test_numbers_stay_sealed(verdict, met):
    found = improvement(series_of(9.0, 1), series_of(4.0, 2), verdict)
    assert (found.value, found.low, found.high, found.met) == (None, None, None, met)
    assert found.note


@pytest.mark.parametrize("bad", [np.full(500, 0.001), np.full(500, np.nan), np.full(500, np.inf)])
def test_a_degenerate_series_has_no_improvement(bad):
    good = series_of(4.0, 2, 500)
    assert improvement(bad, good).met is None
    assert improvement(good, bad).met is None


@pytest.mark.parametrize(("n_confirmed", "met"), [(0, False), (3, False), (4, True)])
def test_more_than_three_confirmed_patterns_are_asked(n_confirmed, met):
    found = new_patterns(n_confirmed, 9, 14_580)
    assert found.met is met
    assert found.value == n_confirmed
    assert found.n == 14_580
    assert "9 found" in found.note


def test_more_confirmed_than_found_is_refused():
    with pytest.raises(InvalidArgument, match="n_confirmed <= n_found <= n_tested"):
        new_patterns(5, 4, 100)


def test_the_slope_of_the_win_rate_is_scipys():
    rates = [0.50, 0.53, 0.52, 0.56, 0.57, 0.58]
    line = stats.linregress(range(6), rates)
    half = stats.t.ppf(0.975, 4) * line.stderr
    found = win_rate_trend(rates, [1.0, None, 2.5])
    assert (found.value, found.low, found.high) == pytest.approx(
        (line.slope, line.slope - half, line.slope + half)
    )
    assert found.met is True
    assert "from 1 to 2.5" in found.note


def test_generations_without_a_promotion_are_left_out_of_the_slope():
    found = win_rate_trend([0.5, None, 0.52, None, 0.54, 0.55])
    assert found.n == 4
    assert found.value == pytest.approx(stats.linregress([0, 2, 4, 5], [0.5, 0.52, 0.54, 0.55]).slope)
    assert "no evidence" in found.note


def test_two_generations_have_no_trend():
    assert win_rate_trend([0.5, 0.6]).met is None
    with pytest.raises(InvalidArgument, match="win_rates should be fractions"):
        win_rate_trend([50.0, 55.0, 60.0])


def test_every_promotion_needs_a_passed_exam():
    assert validated_out_of_sample(8, 8).met is True
    missing = validated_out_of_sample(8, 7)
    assert missing.met is False
    assert missing.value == 7 / 8
    assert missing.low < 7 / 8 < missing.high
    assert validated_out_of_sample(0, 0).met is None


def test_search_is_met_only_beyond_the_spread_of_seeds():
    rng = np.random.default_rng(3)
    defaults = (1.0 + 0.05 * rng.standard_normal(8)).tolist()
    clear = (1.5 + 0.05 * rng.standard_normal(8)).tolist()
    vague = (1.5 + 1.50 * rng.standard_normal(8)).tolist()
    found = search_improvement(clear, defaults)
    assert found.met is True
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(np.mean(clear) / np.mean(defaults) - 1)
    assert search_improvement(vague, defaults).met is False


def test_search_needs_five_seeds_and_a_base():
    assert search_improvement([1.0, 1.1, None, 1.2, 1.3], [1.0] * 5).met is None
    found = search_improvement([1.0, 1.1, 0.9, 1.2, 1.3], [-0.2, 0.0, 0.1, -0.1, 0.05])
    assert found.met is None
    assert found.value == pytest.approx(1.1 + 0.03)


def test_generations_are_compared_with_random_entrants():
    scores = [1.0 * 1.2**g for g in range(9)]
    flat = [1.0] * 9
    assert generation_improvement(scores, flat).met is True
    assert generation_improvement(scores, flat).value == pytest.approx(0.2)
    assert generation_improvement(scores, scores).met is False
    assert "No control" in generation_improvement(scores).note
    assert generation_improvement(flat, flat).met is False


def test_generations_with_too_few_or_tiny_scores_are_not_decided():
    assert generation_improvement([1.0, 1.2, 1.5]).met is None
    assert generation_improvement([1.0, 1.2, 1.5]).value == pytest.approx(0.225)
    found = generation_improvement([-1.0, 0.05, None, 2.0])
    assert (found.met, found.n, found.value) == (None, 0, None)
    assert generation_improvement([]).met is None


def sessions_of(rng: np.random.Generator, n: int, k: int) -> tuple[list[float], list[float]]:
    """Return one of k independent members and their mean, for n sessions."""
    members = rng.normal(1.0, 1.0, (n, k))
    return members[:, 0].tolist(), members.mean(axis=1).tolist()


def test_the_ends_of_an_ensembles_interval_are_where_pitmans_test_turns():
    single, ensembles = sessions_of(np.random.default_rng(4), 20, 5)
    found = ensemble_stability(single, ensembles)
    assert found.value == pytest.approx(1 - np.std(ensembles, ddof=1) / np.std(single, ddof=1))
    for bound in (found.low, found.high):
        scaled = (1 - bound) * np.array(single)  # equal spreads, were the bound the truth
        assert stats.pearsonr(scaled + ensembles, scaled - ensembles).pvalue == pytest.approx(0.05)
    assert found.met is True
    assert ensemble_stability(ensembles, single).met is False


def test_an_ensembles_interval_covers_the_truth_of_pairs_as_often_as_it_says():
    rng = np.random.default_rng(5)
    truth = 1 - 1 / math.sqrt(3)
    found = [ensemble_stability(*sessions_of(rng, 8, 3)) for _ in range(2000)]
    covered = sum(one.low <= truth <= one.high for one in found)
    assert abs(covered / 2000 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2000)


def test_an_ensemble_of_too_few_sessions_is_not_decided():
    assert ensemble_stability([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 2.5, 3.0]).met is None
    assert ensemble_stability([1.0, 2.0, None, 4.0, 5.0], [1.0, 2.0, 2.5, 3.0, 3.5]).n == 4
    assert ensemble_stability([1.0] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).met is None
    with pytest.raises(InvalidArgument, match="should number 2, number 1"):
        ensemble_stability([1.0, 2.0], [1.0])


def test_a_reduced_drawdown_is_met_and_its_price_is_named():
    returns = null_returns("garch", 2_000, np.random.default_rng(5))
    found = drawdown_reduction(0.3 * returns, returns, rng=np.random.default_rng(6))
    assert found.met is True
    assert found.low > 0
    assert "Sharpe ratio did not rise" in found.note
    assert drawdown_reduction(returns, returns, rng=np.random.default_rng(6)).met is False


def test_an_undefined_drawdown_is_not_decided():
    nothing = np.zeros(10)
    assert drawdown_reduction(nothing, nothing, rng=np.random.default_rng(7)).met is None
    with pytest.raises(InvalidArgument, match="without should hold 10 returns, holds 9"):
        drawdown_reduction(nothing, nothing[:9], rng=np.random.default_rng(7))


def test_every_criterion_says_how_it_is_measured_and_is_json_safe():
    returns = null_returns("garch", 300, np.random.default_rng(8))
    found = [
        improvement(returns, returns),
        new_patterns(0, 0, 0),
        win_rate_trend([]),
        validated_out_of_sample(0, 0),
        search_improvement([], []),
        generation_improvement([]),
        ensemble_stability([], []),
        drawdown_reduction(returns, returns, rng=np.random.default_rng(9)),
    ]
    assert len({criterion.name for criterion in found}) == 8
    for criterion in found:
        assert criterion.title
        assert criterion.how_measured.endswith(".")
        json.dumps(criterion.as_dict(), allow_nan=False)


def test_what_candidate_and_champion_share_narrows_the_interval():
    champion = series_of(4.0, 2)
    apart = improvement(series_of(4.6, 1), champion)
    together = improvement(champion + 0.1 * series_of(6.0, 1), champion)
    assert together.high - together.low < 0.3 * (apart.high - apart.low)
