"""What a pattern set holds, and that its trades are its sightings."""

from dataclasses import replace

import numpy as np
import pytest

from patterns.discovery.features import Features
from patterns.discovery.pattern import LONG, SHORT, Pattern, RegimeCuts, Shape
from patterns.discovery.positions import pattern_positions
from patterns.discovery.sightings import find_sightings
from patterns.discovery.template import template
from tests.markets import gaussian_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.exceptions import InvalidArgument

RISING = Pattern(Shape(), 17, None, None, 10, LONG, RegimeCuts(None, None))
FALLING = Pattern(Shape(), 225, None, None, 20, SHORT, RegimeCuts(None, None))


def test_each_sighting_is_held_for_its_horizon() -> None:
    bars = gaussian_bars(3000, 1)
    expected = np.zeros(3000)
    for bar in find_sightings(bars, RISING).decision_bar:
        expected[bar : bar + 10] = 1.0
    np.testing.assert_array_equal(pattern_positions(bars, [RISING]), expected)


def test_patterns_held_together_average() -> None:
    bars = gaussian_bars(3000, 1)
    twin = replace(RISING, direction=SHORT, horizon=5)
    long, short = pattern_positions(bars, [RISING]), pattern_positions(bars, [twin])
    both = pattern_positions(bars, [RISING, twin])
    together = (long != 0) & (short != 0)
    assert together.any()
    assert (both[together] == 0).all()
    np.testing.assert_array_equal(both[~together], (long + short)[~together])
    np.testing.assert_array_equal(pattern_positions(bars, [RISING, RISING]), long)


def test_no_patterns_or_no_sighting_is_flat() -> None:
    assert not pattern_positions(gaussian_bars(500, 1), []).any()
    assert not pattern_positions(gaussian_bars(40, 1), [RISING]).any()


def test_the_backtests_trades_are_the_sightings_outcomes() -> None:
    bars = gaussian_bars(5000, 4)
    seen = find_sightings(bars, RISING)
    apart = np.diff(seen.decision_bar, prepend=-99) > 10
    apart[:-1] &= np.diff(seen.decision_bar) > 10
    result = run_backtest(bars, pattern_positions(bars, [RISING]), Costs(0.0, 0.0), bars_per_year=8760)
    trades = result.trades
    gross = {
        int(bar): float(np.expm1(value))
        for bar, value in zip(seen.entry_bar[apart], seen.forward_log_return[apart], strict=True)
        if np.isfinite(value)
    }
    checked = 0
    for entry, leave, first, last in zip(
        trades.entry_bar, trades.exit_bar, trades.entry_price, trades.exit_price, strict=True
    ):
        if int(entry) in gross and leave - entry == 10:
            assert last / first - 1 == pytest.approx(gross[int(entry)], abs=1e-12)
            checked += 1
    assert checked > 20


def test_the_template_is_the_mean_of_the_normalised_windows() -> None:
    bars = gaussian_bars(5000, 1)
    shape = template(bars, RISING)
    assert shape is not None
    ends = find_sightings(bars, RISING).decision_bar
    windows = np.array([bars.close[end - 49 : end + 1] for end in ends])
    paths = (windows - windows.mean(axis=1, keepdims=True)) / windows.std(axis=1, keepdims=True)
    np.testing.assert_allclose(shape.mean[:50], paths.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(shape.low[:50], np.quantile(paths, 0.1, axis=0), atol=1e-12)
    assert shape.n == ends.size
    assert shape.offset.tolist() == list(range(-49, 12))
    letters = shape.mean[:50].reshape(5, 10).mean(axis=1)
    assert (np.diff(letters) > 0).all()
    assert shape.as_dict()["n"] == ends.size


def test_the_template_of_a_pattern_never_seen_is_none() -> None:
    assert template(gaussian_bars(60, 1), RISING, slice(0, 40)) is None


def test_impossible_quantiles_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="quantiles"):
        template(gaussian_bars(500, 1), RISING, quantiles=(0.9, 0.1))


def test_features_of_other_bars_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="features"):
        pattern_positions(gaussian_bars(500, 1), [RISING], features=Features(gaussian_bars(500, 2)))
    assert pattern_positions(gaussian_bars(500, 1), [FALLING]).min() >= -1
