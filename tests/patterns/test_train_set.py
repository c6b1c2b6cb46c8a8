"""A set mined and confirmed inside train: planted words come back, later bars are not read, luck is not paid."""

import numpy as np
import pytest
from scipy import stats

from patterns.discovery.confirm import confirm, confirmed_patterns
from patterns.discovery.features import Features
from patterns.discovery.mining import mine
from patterns.discovery.options import MiningOptions, Segments
from patterns.discovery.pattern import Pattern
from patterns.discovery.positions import pattern_positions
from patterns.train_set import patterns_within
from tests.patterns.helpers import planted_bars, with_other_prices
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.bars import Bars
from trainingday.synthetic import NULL_MARKETS, planted_words_market, synthetic_bars

GAP = 178
# So loose that luck fills the sets: what is measured is how their scores are biased, not how rare they are.
LOOSE = MiningOptions(max_conditions=0, false_discovery_rate=0.9, confirmation_rate=0.9, cost_per_side=0.0)


def names(patterns: list[Pattern]) -> set[str]:
    return {each.id for each in patterns}


def test_planted_words_are_found_inside_train() -> None:
    planted = planted_words_market(24_000, 0, effect=0.9)
    found = patterns_within(planted.bars, slice(0, 16_000), GAP, MiningOptions())
    assert len({(p.word, p.direction) for p in found} & {(w.word, w.direction) for w in planted.words}) >= 2


def test_nothing_after_train_is_read() -> None:
    bars = planted_bars()
    known = patterns_within(bars, slice(0, 16_000), GAP, MiningOptions())
    other = with_other_prices(bars, slice(16_000, len(bars)))
    assert names(known) == names(patterns_within(other, slice(0, 16_000), GAP, MiningOptions())) != set()
    assert names(known) == names(patterns_within(bars[:16_000], slice(0, 16_000), GAP, MiningOptions()))


def test_a_train_segment_too_short_to_be_cut_gives_no_set() -> None:
    assert patterns_within(planted_bars()[:600], slice(0, 200), GAP, MiningOptions()) == []
    assert patterns_within(planted_bars()[:600], slice(0, 400), GAP, MiningOptions()) == []


def validation_sharpe(bars: Bars, patterns: list[Pattern], validation: slice) -> float:
    positions = pattern_positions(bars, patterns)[validation]
    sharpe = run_backtest(
        bars[validation], positions, Costs(0.0, 0.0), bars_per_year=8760
    ).metrics.sharpe_ratio
    return 0.0 if sharpe is None else sharpe


@pytest.mark.slow
def test_luck_flatters_a_set_confirmed_on_validation_and_not_one_confirmed_inside_train() -> None:
    train, validation = slice(0, 8000), slice(8000 + GAP, 10_700)
    honest, flattered = [], []
    for index in range(120):
        bars = synthetic_bars(NULL_MARKETS[index % 5], 10_700, index)
        within = patterns_within(bars, train, GAP, LOOSE)
        features = Features(bars)
        found = mine(bars, Segments(train), LOOSE, features=features).found
        later = confirmed_patterns(confirm(found, bars, validation, LOOSE, features=features))
        honest += [validation_sharpe(bars, within, validation)] if within else []
        flattered += [validation_sharpe(bars, later, validation)] if later else []
    assert len(honest) >= 10
    assert len(flattered) >= 10
    assert np.mean(flattered) > 3
    assert stats.ttest_1samp(flattered, 0.0, alternative="greater").pvalue < 1e-4
    assert stats.ttest_1samp(honest, 0.0, alternative="greater").pvalue > 0.01
    assert stats.ttest_ind(flattered, honest, alternative="greater", equal_var=False).pvalue < 1e-3
