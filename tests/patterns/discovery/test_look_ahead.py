"""Nothing at a bar changes when the bars after it are cut off or replaced."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from patterns.discovery.features import Features
from patterns.discovery.pattern import LONG, REGIMES, SHORT, Pattern, RegimeCuts, Shape
from patterns.discovery.positions import pattern_positions
from patterns.discovery.regimes import tercile_cuts
from tests.markets import gaussian_bars
from trainingday.bars import Bars

N_BARS = 2600
CUTS = tercile_cuts(Features(gaussian_bars(N_BARS, 1)).state, slice(0, 1000), REGIMES)
PATTERNS = [
    Pattern(Shape(), 17, None, None, 10, LONG, CUTS),
    Pattern(Shape(), 225, 2, None, 20, SHORT, CUTS),
    Pattern(Shape(), 26, None, 1, 5, LONG, CUTS),
    Pattern(Shape(20, 4, 2), 3, 0, 0, 2, SHORT, RegimeCuts(CUTS.volatility, CUTS.volume)),
    Pattern(Shape(20, 4, 2), 12, None, None, 3, LONG, CUTS, 2, 1),
]


def everything_known(bars: Bars) -> list[np.ndarray]:
    features = Features(bars)
    return [
        features.words(Shape()),
        features.words(Shape(20, 4, 2)),
        features.state.volatility,
        features.state.volume,
        features.state.trend,
        features.state.place,
        *features.regimes(CUTS, REGIMES),
        *(features.occurrences(pattern) for pattern in PATTERNS),
        pattern_positions(bars, PATTERNS, features=features),
    ]


def with_another_future(bars: Bars, start: int, seed: int) -> Bars:
    rng = np.random.default_rng(seed)
    n_later = len(bars) - start
    columns = [
        np.concatenate((column[:start], rng.uniform(0.1, 1e4, n_later)))
        for column in (bars.open, bars.high, bars.low, bars.close, bars.volume)
    ]
    gaps = np.concatenate((bars.gap_before[:start], rng.random(n_later) < 0.1))
    return Bars(bars.timestamps, *columns, gaps)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, N_BARS - 1), st.integers(0, 2**32 - 1))
def test_words_regimes_and_positions_do_not_see_the_future(cut: int, seed: int) -> None:
    bars = gaussian_bars(N_BARS, 1)
    bars.gap_before[[400, 1700]] = True
    known = everything_known(bars)
    for other in (bars[:cut], with_another_future(bars, cut, seed)):
        for expected, actual in zip(known, everything_known(other), strict=True):
            np.testing.assert_array_equal(actual[:cut], expected[:cut])


def test_the_check_sees_patterns_at_all() -> None:
    positions = pattern_positions(gaussian_bars(N_BARS, 1), PATTERNS)
    assert (positions > 0).any()
    assert (positions < 0).any()
