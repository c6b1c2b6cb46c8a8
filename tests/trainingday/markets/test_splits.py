import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingday.exceptions import InvalidArgument, NotEnoughBars
from trainingday.markets.splits import DEFAULT_GAP, plan_split

HOUR = 3_600_000_000


class Window:
    def __init__(self, first_us: int, last_us: int) -> None:
        self.first_us, self.last_us = first_us, last_us


def stamps(n_bars: int) -> np.ndarray:
    return np.arange(n_bars, dtype=np.int64) * HOUR


def test_shares_are_60_20_20_of_what_the_gaps_leave():
    split = plan_split(10_356, stamps(10_356))
    assert split.sizes() == {"train": 6000, "validation": 2000, "test": 2000, "forward": 0}
    assert split.gap == 178


def test_the_default_gap_covers_lookback_and_horizon():
    assert DEFAULT_GAP == 128 + 50


def test_the_shortest_dataset_that_fits_is_1356_bars():
    assert plan_split(1356, stamps(1356)).sizes() == {
        "train": 500,
        "validation": 250,
        "test": 250,
        "forward": 0,
    }
    with pytest.raises(NotEnoughBars, match="train should hold >= 500 bars, holds 499"):
        plan_split(1355, stamps(1355))


@pytest.mark.parametrize("n_bars", [1, 100, 249, 250, 500, 700, 1000])
def test_too_few_bars_are_refused_with_one_sentence(n_bars):
    with pytest.raises(NotEnoughBars, match="the dataset has"):
        plan_split(n_bars, stamps(n_bars))


def test_bars_after_the_window_are_forward():
    split = plan_split(5000, stamps(5000), Window(3000 * HOUR, 3999 * HOUR))
    assert split.test == slice(3000, 4000)
    assert split.forward == slice(4000, 5000)


def test_a_window_outside_the_data_is_refused():
    with pytest.raises(NotEnoughBars, match="no bars in the market's test window"):
        plan_split(2000, stamps(2000), Window(3000 * HOUR, 4000 * HOUR))


def test_a_negative_gap_is_refused():
    with pytest.raises(InvalidArgument, match="gap should be >= 0"):
        plan_split(5000, stamps(5000), gap=-1)


@given(
    n_bars=st.integers(1, 20_000),
    gap=st.integers(0, 400),
    first=st.integers(0, 20_000),
    length=st.integers(250, 4000),
    given_window=st.booleans(),
)
def test_segments_are_ordered_apart_and_inside_the_data(n_bars, gap, first, length, given_window):
    window = Window(first * HOUR, (first + length - 1) * HOUR) if given_window else None
    try:
        split = plan_split(n_bars, stamps(n_bars), window, gap)
    except NotEnoughBars:
        return
    assert split.train.start == 0
    assert split.train.stop + gap == split.validation.start
    assert split.validation.stop + gap == split.test.start
    assert split.test.stop == split.forward.start
    assert split.forward.stop == n_bars
    sizes = split.sizes()
    assert sizes["train"] >= 500
    assert sizes["validation"] >= 250
    assert sizes["test"] >= 250
