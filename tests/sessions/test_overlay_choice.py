"""The overlay of a candidate: the target unless validation shows that another choice is better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sessions.overlay_choice import LEVEL, NONE, STOP, TARGET, OverlayChoice, choose_overlay, default_overlays
from tests.markets import HOUR_US, START_US, gaussian_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.overlay_records import apply_overlays
from trainingday.bars import Bars
from trainingday.markets.splits import Split
from trainingday.typing import FloatArray

SPLIT = Split(slice(0, 1400), slice(1500, 2700), slice(2800, 3600), slice(3600, 3600), 100)
COSTS = Costs(0.0005, 0.0)
BARS_PER_YEAR = 8766.0


def choose(bars: Bars, positions: FloatArray) -> OverlayChoice:
    return choose_overlay(positions, bars, SPLIT, COSTS, BARS_PER_YEAR)


def bars_of(returns: FloatArray) -> Bars:
    close = 100 * np.exp(np.cumsum(returns))
    open_ = np.concatenate(([100.0], close[:-1]))
    stamps = START_US + HOUR_US * np.arange(len(returns), dtype=np.int64)
    return Bars.create(stamps, open_, np.maximum(open_, close), np.minimum(open_, close), close)


def random_positions(seed: int, n_bars: int = 3600) -> FloatArray:
    rng = np.random.default_rng(seed)
    return np.repeat(rng.integers(-1, 2, n_bars // 30), 30).astype(np.float64)


def test_on_noise_the_default_stays_in_about_19_of_20_markets() -> None:
    chosen = [choose(gaussian_bars(3600, seed=seed), random_positions(seed)).name for seed in range(60)]
    assert chosen.count(TARGET) >= 53  # fewer has a chance of 1 % where the true share is 95 %


def test_a_target_whose_trading_costs_too_much_gives_way() -> None:
    is_wild = np.repeat(np.arange(36) % 3 == 0, 100)
    shocks = np.random.default_rng(4).standard_normal(3600)
    bars = bars_of(np.where(is_wild, 0.008, 0.002) * shocks)
    choice = choose_overlay(np.ones(3600), bars, SPLIT, Costs(0.05, 0.0), BARS_PER_YEAR)
    assert choice.name == NONE and choice.overlays == ()
    row, target = (choice.record["options"][name] for name in (NONE, TARGET))
    assert row["difference"] > 0 and row["p_value"] <= LEVEL and row["turnover"] < target["turnover"]
    assert "higher than the default" in choice.record["reason"]


def test_a_stop_earns_its_place_where_losses_come_in_runs() -> None:
    rng = np.random.default_rng(1)
    is_falling = np.repeat(np.arange(12) % 2, 300).astype(bool)
    returns = np.where(is_falling, -0.004, 0.004) + 0.004 * rng.standard_normal(3600)
    choice = choose(bars_of(returns), np.ones(3600))
    assert choice.name == STOP and len(choice.overlays) == 2
    rows = choice.record["options"]
    assert rows[STOP]["sharpe_ratio"] > rows[TARGET]["sharpe_ratio"]


def test_where_volatility_is_constant_the_target_trades_nothing() -> None:
    bars, positions = gaussian_bars(3600, seed=8), random_positions(8)
    held = apply_overlays(default_overlays(bars, SPLIT, BARS_PER_YEAR), bars, positions)
    assert np.mean(held[100:] != positions[100:]) < 0.01


def test_the_figures_are_those_of_backtests_on_validation() -> None:
    bars, positions = gaussian_bars(3600, seed=3), random_positions(3)
    rows = choose(bars, positions).record["options"]
    held = apply_overlays(default_overlays(bars, SPLIT, BARS_PER_YEAR), bars, positions)
    for name, target in ((NONE, positions), (TARGET, held)):
        segment = SPLIT.validation
        metrics = run_backtest(bars[segment], target[segment], COSTS, bars_per_year=BARS_PER_YEAR).metrics
        assert rows[name]["sharpe_ratio"] == metrics.sharpe_ratio
        assert rows[name]["max_drawdown"] == metrics.max_drawdown


@pytest.mark.parametrize("cut", [2700, 2850, 3500])
def test_bars_after_validation_change_nothing(cut: int) -> None:
    bars, positions = gaussian_bars(3600, seed=5), random_positions(5)
    close = bars.close.copy()
    close[cut:] *= 3.0
    altered = replace(bars, close=close, high=np.maximum(bars.high, close))
    other = positions.copy()
    other[cut:] = 1.0
    assert choose(bars, positions).record == choose(altered, other).record


def test_a_policy_that_stays_flat_keeps_the_default() -> None:
    choice = choose(gaussian_bars(3600, seed=6), np.zeros(3600))
    assert choice.name == TARGET
    assert choice.record["options"][STOP]["p_value"] is None


def test_a_market_that_did_not_move_on_train_has_no_target() -> None:
    returns = np.where(np.arange(3600) < 1450, 0.0, 0.01 * np.random.default_rng(2).standard_normal(3600))
    choice = choose(bars_of(returns), random_positions(2))
    assert choice.record["default"] == NONE and choice.record["options"][TARGET]["overlays"] == []
