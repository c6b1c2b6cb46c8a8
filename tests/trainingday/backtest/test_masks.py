"""Bits hold the same positions as the readable loop, NaN and infinite exits included."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trainingday.backtest import masks
from trainingday.backtest.thresholds import threshold_positions_nb
from trainingday.typing import FloatArray


def _bits(indicator: FloatArray, thresholds: list[float]) -> FloatArray:
    n_words = (indicator.shape[0] + 63) // 64
    padded = np.full(n_words * 64, np.nan)
    padded[: indicator.shape[0]] = indicator
    longs, shorts = np.empty(n_words, dtype=np.uint64), np.empty(n_words, dtype=np.uint64)
    exits = np.empty((2, n_words), dtype=np.uint64)
    masks.exit_bits_nb(padded, thresholds[1], thresholds[3], exits)
    masks.latched_bits_nb(
        padded, thresholds[0], thresholds[2], exits, np.zeros(2, dtype=np.uint64), longs, shorts
    )
    out = np.empty(indicator.shape[0])
    masks.unpack_positions_nb(longs, shorts, out)
    return out


@settings(max_examples=300, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_latched_bits_are_the_positions_of_the_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Whole numbers, so that indicators often equal a threshold.
    indicator = rng.integers(-4, 5, rng.integers(1, 400)).astype(float)
    indicator[rng.random(indicator.shape[0]) < 0.1] = np.nan
    enter_long = float(rng.integers(-1, 4))
    enter_short = enter_long - float(rng.integers(0, 5))
    exit_long = float(rng.choice([-np.inf, -1, 0, enter_long, 3]))
    exit_short = float(rng.choice([np.inf, 1, 0, enter_short, -3]))
    thresholds = [enter_long, exit_long, enter_short, exit_short]
    np.testing.assert_array_equal(
        _bits(indicator, thresholds), threshold_positions_nb(indicator, *thresholds)
    )


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), gaps=st.booleans())
def test_positions_without_memory_are_those_of_the_rule(seed: int, gaps: bool) -> None:
    rng = np.random.default_rng(seed)
    indicator = rng.integers(-4, 5, rng.integers(1, 200)).astype(float)
    indicator[: rng.integers(0, 30)] = np.nan
    if gaps:
        indicator[rng.random(indicator.shape[0]) < 0.1] = np.nan
    enter_long = float(rng.integers(-1, 4))
    enter_short = enter_long - float(rng.integers(0, 5))
    expected, position = [], 0.0
    for value in indicator:
        if not np.isnan(value):
            position = float(value > enter_long) - float(value < enter_short)
        expected.append(position)
    thresholds = [enter_long, enter_long, enter_short, enter_short]
    np.testing.assert_array_equal(threshold_positions_nb(indicator, *thresholds), expected)


def test_packing_and_unpacking_returns_the_positions() -> None:
    positions = np.random.default_rng(0).integers(-1, 2, 131).astype(float)
    longs, shorts, out = np.empty(3, dtype=np.uint64), np.empty(3, dtype=np.uint64), np.empty(131)
    assert masks.pack_positions_nb(positions, longs, shorts)
    masks.unpack_positions_nb(longs, shorts, out)
    np.testing.assert_array_equal(out, positions)


def test_packing_refuses_fractions() -> None:
    words = np.empty(1, dtype=np.uint64)
    assert not masks.pack_positions_nb(np.array([0.0, 0.5]), words, words.copy())
