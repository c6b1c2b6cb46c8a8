"""Confirmation on later bars against scipy, costs and copies."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from patterns.discovery.confirm import confirm, confirmed_patterns
from patterns.discovery.features import Features
from patterns.discovery.mining import MiningResult, PatternCandidate, mine
from patterns.discovery.options import MiningOptions, Segments
from patterns.discovery.outcomes import forward_log_returns
from patterns.discovery.positions import held_bars
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, RunCancelled
from trainingday.stats.multiplicity import benjamini_hochberg
from trainingday.synthetic import planted_words_market

LATER = slice(20_060, 30_000)


@pytest.fixture(scope="module")
def market() -> Bars:
    return planted_words_market(30_000, 2, effect=0.8).bars


@pytest.fixture(scope="module")
def found(market: Bars) -> tuple[PatternCandidate, ...]:
    result: MiningResult = mine(market, Segments(slice(0, 20_000)))
    assert len(result.found) > 20
    return result.found


def test_each_p_value_is_scipys_one_sided_t(market: Bars, found: tuple[PatternCandidate, ...]) -> None:
    features = Features(market)
    for each in confirm(found, market, LATER, features=features):
        pattern = each.pattern
        outcome = forward_log_returns(market[LATER], pattern.horizon)
        outcome /= features.state.volatility[LATER] * np.sqrt(pattern.horizon)
        seen = features.occurrences(pattern)[LATER]
        kept = list(np.flatnonzero(seen))
        thinned = [kept[0]]
        for bar in kept:
            if bar - thinned[-1] >= pattern.horizon:
                thinned.append(bar)
        values = outcome[thinned][np.isfinite(outcome[thinned])]
        if values.size < 10:
            assert each.p_value is None
            continue
        expected = stats.ttest_1samp(
            values, np.nanmean(outcome), alternative="greater" if pattern.direction > 0 else "less"
        )
        assert each.p_value == pytest.approx(expected.pvalue, rel=1e-9)
        assert each.t_statistic == pytest.approx(pattern.direction * expected.statistic, rel=1e-9)


def test_confirmed_are_significant_paid_and_apart(market: Bars, found: tuple[PatternCandidate, ...]) -> None:
    features = Features(market)
    result = confirm(found, market, LATER, features=features)
    p_values = np.array([1.0 if each.p_value is None else each.p_value for each in result])
    significant = benjamini_hochberg(p_values, 0.10)
    confirmed = [each for each in result if each.is_confirmed]
    assert len(confirmed) >= 3
    for each, ok in zip(result, significant, strict=True):
        paid = (each.record.mean_net_return or 0) > 0
        assert each.is_confirmed == (ok and paid and each.duplicate_of is None)
        assert (each.reason is None) == each.is_confirmed
    for i, one in enumerate(confirmed):
        for other in confirmed[:i]:
            if one.pattern.direction == other.pattern.direction:
                a, b = (held_bars(features, each.pattern, LATER) for each in (one, other))
                assert (a & b).sum() <= 0.3 * min(a.sum(), b.sum())
    copies = [each for each in result if each.duplicate_of]
    by_id = {each.pattern.id: each for each in result}
    assert copies
    assert all((by_id[copy.duplicate_of].p_value or 0) <= (copy.p_value or 0) for copy in copies)


def test_costs_above_the_effect_leave_nothing(market: Bars, found: tuple[PatternCandidate, ...]) -> None:
    dear = MiningOptions(cost_per_side=0.05)
    result = confirm(found, market, LATER, dear)
    assert confirmed_patterns(result) == []
    assert any("after costs" in (each.reason or "") for each in result)


def test_too_few_sightings_are_counted_but_never_confirmed(
    market: Bars, found: tuple[PatternCandidate, ...]
) -> None:
    result = confirm(found, market, slice(20_060, 20_200))
    assert confirmed_patterns(result) == []
    assert all("are needed" in (each.reason or "") for each in result if each.p_value is None)
    assert any(each.p_value is None for each in result)


def test_the_opposite_direction_is_not_confirmed(market: Bars, found: tuple[PatternCandidate, ...]) -> None:
    turned = [
        replace(each, pattern=replace(each.pattern, direction=-each.pattern.direction)) for each in found
    ]
    right = {
        each.pattern.id for each in confirm(found, market, LATER) if each.p_value and each.p_value < 0.05
    }
    wrong = [each for each in confirm(turned, market, LATER) if each.p_value and each.p_value < 0.05]
    assert len(right) > 10 * len(wrong)


def test_bars_after_the_segment_change_nothing(market: Bars, found: tuple[PatternCandidate, ...]) -> None:
    part = slice(20_060, 27_000)
    assert confirm(found, market, part) == confirm(found, market[:27_000], part)


def test_progress_may_cancel(market: Bars, found: tuple[PatternCandidate, ...]) -> None:
    def cancel(share: float, stage: str) -> None:
        if share > 0.3:
            raise RunCancelled(stage)

    with pytest.raises(RunCancelled, match="later bars"):
        confirm(found, market, LATER, progress=cancel)


def test_no_candidates_give_no_confirmations(market: Bars) -> None:
    assert confirm([], market, LATER) == []


def test_an_empty_segment_is_refused(market: Bars, found: tuple[PatternCandidate, ...]) -> None:
    with pytest.raises(InvalidArgument, match="segment"):
        confirm(found, market, slice(5, 5))
