"""Words against their definition, and where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from patterns.discovery.pattern import Shape
from patterns.discovery.words import NO_WORD, breakpoints, compute_words, words_of
from tests.markets import gaussian_bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import BoolArray, FloatArray


def words_by_definition(close: FloatArray, gaps: BoolArray, shape: Shape) -> list[int]:
    """Two passes over each window, scipy's quantiles, no shortcuts."""
    cuts = norm.ppf(np.arange(1, shape.n_letters) / shape.n_letters)
    words = []
    for end in range(close.size):
        first = end - shape.window + 1
        window = close[max(first, 0) : end + 1]
        if first < 0 or gaps[first + 1 : end + 1].any() or np.ptp(window) == 0:
            words.append(NO_WORD)
            continue
        path = (window - window.mean()) / window.std()
        letters = np.searchsorted(cuts, path.reshape(shape.n_segments, -1).mean(axis=1))
        words.append(int("".join(map(str, letters)), shape.n_letters))
    return words


def test_a_rising_line_spells_00122_and_a_falling_one_22100() -> None:
    line = np.linspace(100, 120, 50)
    no_gaps = np.zeros(50, dtype=bool)
    assert words_of(line, no_gaps, Shape())[-1] == 17
    assert words_of(line[::-1], no_gaps, Shape())[-1] == 225
    assert Shape().letters(17) == "00122"
    assert Shape().letters(225) == "22100"


def test_the_cuts_are_the_normal_terciles() -> None:
    np.testing.assert_allclose(breakpoints(3), [-0.4307272993, 0.4307272993], atol=1e-9)


@pytest.mark.parametrize("shape", [Shape(), Shape(20, 4, 4), Shape(12, 6, 2), Shape(100, 5, 3)])
def test_words_equal_their_definition_on_a_random_market(shape: Shape) -> None:
    bars = gaussian_bars(3000, 3)
    gaps = np.random.default_rng(4).random(3000) < 0.002
    words = words_of(bars.close, gaps, shape)
    assert words.tolist() == words_by_definition(bars.close, gaps, shape)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-6, 1e-2, 1.0, 1e5]),
    st.floats(0.0, 0.97),
    st.integers(45, 1300),
)
def test_words_equal_their_definition_on_ticks_jumps_and_still_stretches(
    seed: int, level: float, still: float, n_bars: int
) -> None:
    rng = np.random.default_rng(seed)
    ticks = rng.integers(-3, 4, n_bars) * (rng.random(n_bars) > still)
    ticks[rng.random(n_bars) < 0.003] += 3000
    close = level * (1 + 1e-4 * (np.cumsum(ticks) - min(np.cumsum(ticks).min(), 0)))
    gaps = rng.random(n_bars) < 0.005
    words = words_of(close, gaps, Shape())
    expected = np.array(words_by_definition(close, gaps, Shape()))
    np.testing.assert_array_equal(words == NO_WORD, expected == NO_WORD)
    assert (words != expected).mean() <= 0.001  # whole ticks can put a mean within rounding of a cut


def test_a_word_does_not_change_with_the_unit_of_price() -> None:
    bars = gaussian_bars(2000, 5)
    np.testing.assert_array_equal(
        words_of(bars.close, bars.gap_before, Shape()), words_of(1024 * bars.close, bars.gap_before, Shape())
    )


def test_no_window_crosses_a_gap() -> None:
    bars = gaussian_bars(300, 6)
    gaps = np.zeros(300, dtype=bool)
    gaps[120] = True
    words = words_of(bars.close, gaps, Shape())
    assert (words[120:169] == NO_WORD).all()  # windows that hold bars 119 and 120
    assert words[119] != NO_WORD
    assert words[169] != NO_WORD  # bars 120..169
    assert (words[:49] == NO_WORD).all()


def test_a_constant_window_has_no_word() -> None:
    close = np.concatenate((np.linspace(1, 2, 60), np.full(80, 2.0), [2.1]))
    words = words_of(close, np.zeros(close.size, dtype=bool), Shape())
    assert (words[108:140] == NO_WORD).all()
    assert words[140] == words_by_definition(close, np.zeros(close.size, dtype=bool), Shape())[140]


def test_fewer_bars_than_a_window_give_no_word() -> None:
    assert (compute_words(gaussian_bars(49, 1)) == NO_WORD).all()
    assert compute_words(gaussian_bars(50, 1))[-1] != NO_WORD


def test_prices_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="finite"):
        words_of(np.array([1.0, np.nan]), np.zeros(2, dtype=bool), Shape())
    with pytest.raises(InvalidArgument, match="shape"):
        words_of(np.ones(3), np.zeros(2, dtype=bool), Shape())
