"""Overlays by hand: seen at a close, out at the next open."""

import numpy as np
import pytest

from tests.markets import gaussian_bars
from tests.trainingday.backtest.test_engine import make_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.overlays import DrawdownStop, Overlay, StopLoss, VolatilityTarget
from trainingday.exceptions import InvalidArgument


def test_a_stop_is_seen_at_a_close_and_holds_until_the_target_changes() -> None:
    bars = make_bars([100, 100, 99, 93, 94, 95, 95, 95], [100, 99, 94, 94, 95, 96, 95, 95])
    targets = np.array([1.0, 1, 1, 1, 1, -1, -1, 0])
    # Bought at bar 1's open, 100; bar 2's close, 94, is 6 % below it.
    assert StopLoss(0.05).apply(bars, targets).tolist() == [1, 1, 0, 0, 0, -1, -1, 0]


def test_a_short_is_stopped_by_a_rise() -> None:
    bars = make_bars([100, 100, 104, 106], [100, 104, 106, 106])
    assert StopLoss(0.05).apply(bars, -np.ones(4)).tolist() == [-1, -1, 0, 0]


def test_a_resized_position_keeps_its_entry() -> None:
    bars = make_bars([100, 100, 97, 95], [100, 97, 96, 94])
    assert StopLoss(0.05).apply(bars, np.array([1, 0.5, 0.6, 0.7])).tolist() == [1, 0.5, 0.6, 0]


def test_a_drawdown_stop_waits_and_then_starts_from_what_is_left() -> None:
    bars = make_bars([100, 100, 100, 80, 80, 80], [100, 100, 80, 80, 80, 81])
    stop = DrawdownStop(depth=0.1, cooldown=2, costs=Costs(0.0, 0.0))
    assert stop.apply(bars, np.ones(6)).tolist() == [1, 1, 0, 0, 1, 1]


def test_a_drawdown_stop_watches_the_ledgers_own_equity() -> None:
    bars = gaussian_bars(2_000, seed=8)
    stopped = DrawdownStop(depth=0.1, cooldown=5_000).apply(bars, np.ones(2_000))
    equity = run_backtest(bars, np.ones(2_000), Costs(), bars_per_year=8760).equity
    first = int(np.flatnonzero(equity <= 0.9 * np.maximum.accumulate(equity))[0])
    assert stopped.tolist() == [1.0] * first + [0.0] * (2_000 - first)


def test_a_volatility_target_meets_the_volatility_it_was_given() -> None:
    bars = gaussian_bars(20_000, seed=9, sigma=0.01)
    market = 0.01 * np.sqrt(8760)
    overlay = VolatilityTarget(market / 2, 200, 8760.0, step=0.01)
    positions = overlay.apply(bars, np.ones(20_000))
    assert (positions[:200] == 0).all()
    assert positions[200:].mean() == pytest.approx(0.5, abs=0.02)
    assert positions.max() <= 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StopLoss(0.0), "distance should be > 0 and < 1, is 0.0"),
        (lambda: DrawdownStop(1.0), "depth should be > 0 and < 1, is 1.0"),
        (lambda: DrawdownStop(0.1, 0), "cooldown should be >= 1, is 0"),
        (lambda: VolatilityTarget(0.0), "annual_volatility should be > 0, is 0.0"),
        (lambda: VolatilityTarget(0.2, 1), "window should be >= 2, is 1"),
        (lambda: VolatilityTarget(0.2, step=0.0), "step should be > 0 and <= 1, is 0.0"),
    ],
)
def test_it_refuses_bad_settings(make: object, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("overlay", [StopLoss(), DrawdownStop(), VolatilityTarget(window=20)])
def test_an_overlay_refuses_positions_of_another_length(overlay: Overlay) -> None:
    with pytest.raises(InvalidArgument, match=r"positions should have shape \(100,\), has \(99,\)"):
        overlay.apply(gaussian_bars(100, 0), np.zeros(99))


def test_a_window_longer_than_the_bars_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="window should be < 50 bars, is 100"):
        VolatilityTarget().apply(gaussian_bars(50, 0), np.zeros(50))
